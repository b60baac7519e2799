"""API requests under the cluster's limits: every planner of every worker together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextvars import ContextVar

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.ledger.quotas import Quotas
from dregsy_queue.ledger.registry_limits import RegistryLimiter
from dregsy_queue.logs import log_fields
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.quota import parse_quota
from dregsy_queue.registry.responses import retry_after
from dregsy_queue.registry.throttle import End, Observe
from workers.levels import LevelKeeper
from workers.permits import Permits

log = logging.getLogger(__name__)

#: A pause up to so many seconds is waited for; a longer one gives the job back.
PATIENCE = 5.0
#: What is left of a quota is told to Redis at most so often per registry, in seconds.
QUOTA_EVERY = 0.2


class _Held:
    """What is being sent has already, and all that is sent for it; `kept`: registry → permits taken for requests that
    come yet."""

    def __init__(self, kept: dict[str, int], *, is_sent: bool = False) -> None:
        self.kept, self.is_sent = kept, is_sent


class _Permit(_Held):
    """The permit of one request."""

    def __init__(self, permits: Permits, registry: str, kept: dict[str, int], *, is_kept: bool) -> None:
        super().__init__(kept)
        self.permits, self._registry, self._is_kept = permits, registry, is_kept
        self.began, self.good, self._left = 0.0, False, False

    def leave(self) -> None:
        """For good; a second call does nothing."""
        if self._left:
            return
        self._left = True
        if self.good:
            self.permits.served(self.began)
        if self._is_kept:
            self.kept[self._registry] += 1
        else:
            self.permits.leave()


_NOTHING = _Held({}, is_sent=True)
_HELD: ContextVar[_Held] = ContextVar("held", default=_NOTHING)


class _Turn:
    """What a request owes the ledger, until it is answered or comes to nothing."""

    def __init__(self, limiter: RegistryLimiter, registry: str, *, trying: bool) -> None:
        self._limiter, self._registry = limiter, registry
        self.trying = trying
        self.token = ""
        self.good = self.answered = False

    async def end(self) -> bool:
        """Returns whether this request, which tried after a pause, came through."""
        if self.token or self.trying:
            await asyncio.to_thread(
                self._limiter.end_request, self._registry, self.token or uuid.uuid4().hex, good=self.good
            )
        if self.trying:
            await asyncio.to_thread(self._limiter.end_trial, self._registry)
        return self.trying and self.good


class ClusterPacer:
    """`rate_of` gives the configured requests per window of a registry, or None.

    For a registry without limit and pause a request costs no Redis call.
    """

    def __init__(
        self,
        limiter: RegistryLimiter,
        quotas: Quotas,
        rate_of: Callable[[str], tuple[int, float] | None],
        levels: LevelKeeper,
        clock: Clock = SYSTEM,
    ) -> None:
        self._limiter, self._quotas = limiter, quotas
        self._rate_of = rate_of
        self._levels = levels
        self._clock = clock
        #: registry → end of its pause on the monotonic clock
        self._pauses: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        #: registry → when its quota was told to Redis last, and what
        self._observed: dict[str, tuple[float, int]] = {}

    def remember_pauses(self, pauses: Mapping[str, float]) -> None:
        """What is paused, as Redis says now; from any thread."""
        now = self._clock.monotonic()
        self._pauses = {registry: now + seconds for registry, seconds in pauses.items()}

    @contextlib.asynccontextmanager
    async def request(self, registry: str, kind: str = "", *, waits: bool = True) -> AsyncIterator[Observe]:
        turn = _Turn(self._limiter, registry, trying=await self._wait_for_pause(registry))
        permit: _Permit | None = None
        outer = _HELD.get()
        try:
            if (rate := self._rate_of(registry)) is not None:
                turn.token = uuid.uuid4().hex
                await self._wait_for_rate(registry, turn.token, rate)
            permit = await self._permit(registry, turn, waits=waits)
            began = permit.began = self._clock.monotonic()
            _HELD.set(permit)

            async def observe(status: int, headers: Mapping[str, str], *, elsewhere: bool = False) -> End:
                if status == 429:
                    await self._pause(registry, retry_after(headers.get("Retry-After")))
                else:
                    turn.good = True
                    if status >= 500:
                        permit.permits.failed(began)
                    else:
                        permit.good = True
                        seconds = self._clock.monotonic() - began
                        permit.permits.answered(began, "" if elsewhere or status == 401 else kind, seconds)
                    await self._observe_quota(registry, headers)
                turn.answered = True
                return permit.leave

            yield observe
        except BaseException as error:
            if permit is not None:
                if isinstance(error, RegistryError) and error.kind == "unavailable" and not turn.answered:
                    permit.permits.failed(began)
                permit.good = False
                permit.leave()
            raise
        finally:
            if permit is not None:
                permit.is_sent = True
                _HELD.set(outer)
                if not turn.answered:
                    permit.leave()
            if await turn.end():
                self._pauses.pop(registry, None)

    @contextlib.asynccontextmanager
    async def together(self, registries: Collection[str]) -> AsyncIterator[None]:
        # In one order for all: two who each want permits at two registries never have one each.
        wanted = sorted(Counter(registries).items())
        outer = _HELD.get()
        async with contextlib.AsyncExitStack() as stack:
            for registry, number in wanted:
                permits = self._levels.permits(registry)
                await permits.take(number, waits=outer.is_sent)
                stack.callback(permits.leave, number)
            held = _Held(dict(wanted))
            _HELD.set(held)
            try:
                yield
            finally:
                held.is_sent = True
                _HELD.set(outer)

    async def _permit(self, registry: str, turn: _Turn, *, waits: bool) -> _Permit:
        """A permit for one request, taken when no pause stands. Raises: RegistryError, as `request`."""
        permits, outer = self._levels.permits(registry), _HELD.get()
        kept = {} if outer.is_sent else outer.kept
        if kept.get(registry, 0) > 0:
            kept[registry] -= 1
            return _Permit(permits, registry, kept, is_kept=True)
        while True:
            # What is sent while something is being sent, here or elsewhere, waits for nobody.
            await permits.take(waits=waits and outer.is_sent and not turn.trying)
            if turn.trying or registry not in self._pauses:
                return _Permit(permits, registry, kept, is_kept=False)
            permits.leave()
            turn.trying = await self._wait_for_pause(registry)

    async def _wait_for_pause(self, registry: str) -> bool:
        """Returns when no pause stands; True when this is the one request that tries whether it is really over."""
        while registry in self._pauses:
            wait = self._pauses[registry] - self._clock.monotonic()
            if wait > PATIENCE:
                raise RegistryError(
                    f"{registry}: it answered too many requests and is left alone for {wait:.0f} s more",
                    kind="rate-limited",
                    temporary=True,
                    registry=registry,
                    retry_after=wait,
                )
            if wait <= 0 and await asyncio.to_thread(self._limiter.claim_trial, registry):
                return True
            await self._clock.sleep(max(wait, 0.2))
        return False

    async def _wait_for_rate(self, registry: str, token: str, rate: tuple[int, float]) -> None:
        # Only one request at a time asks Redis; the others wait here.
        async with self._locks.setdefault(registry, asyncio.Lock()):
            while wait := await asyncio.to_thread(self._limiter.start_request, registry, token, rate):
                await self._clock.sleep(wait)

    async def _pause(self, registry: str, asked: float | None) -> None:
        seconds, new = await asyncio.to_thread(self._limiter.pause, registry, asked)
        self._pauses[registry] = self._clock.monotonic() + seconds
        if new:
            await self._levels.refused(registry)
            log.warning(
                "too many requests: registry is paused for %.0f s", seconds, extra=log_fields(registry=registry)
            )

    async def _observe_quota(self, registry: str, headers: Mapping[str, str]) -> None:
        quota = parse_quota(headers)
        if quota is None:
            return
        now = self._clock.monotonic()
        told, last = self._observed.get(registry, (0.0, -1))
        if now - told < QUOTA_EVERY and quota.left >= last:
            return
        self._observed[registry] = (now, quota.left)
        await asyncio.to_thread(self._quotas.observe, registry, quota.limit, quota.window, quota.left)
