"""API requests under the cluster's limits: every planner of every worker together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.ledger.quotas import Quotas
from dregsy_queue.ledger.registry_limits import RegistryLimiter
from dregsy_queue.logs import log_fields
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.quota import parse_quota
from dregsy_queue.registry.responses import retry_after
from dregsy_queue.registry.throttle import Observe

log = logging.getLogger(__name__)

#: A pause up to so many seconds is waited for; a longer one gives the job back.
PATIENCE = 5.0
#: What is left of a quota is told to Redis at most so often per registry, in seconds.
QUOTA_EVERY = 0.2


class ClusterPacer:
    """`rate_of` gives the configured requests per window of a registry, or None.

    For a registry without limit and pause a request costs no Redis call.
    """

    def __init__(
        self,
        limiter: RegistryLimiter,
        quotas: Quotas,
        rate_of: Callable[[str], tuple[int, float] | None],
        clock: Clock = SYSTEM,
    ) -> None:
        self._limiter, self._quotas = limiter, quotas
        self._rate_of = rate_of
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
    async def request(self, registry: str) -> AsyncIterator[Observe]:
        trying = await self._wait_for_pause(registry)
        rate, token = self._rate_of(registry), uuid.uuid4().hex
        if rate is not None:
            await self._wait_for_rate(registry, token, rate)
        refused = False

        async def observe(status: int, headers: Mapping[str, str]) -> None:
            nonlocal refused
            refused = status == 429
            if refused:
                await self._pause(registry, retry_after(headers.get("Retry-After")))
            else:
                await self._observe_quota(registry, headers)

        good = False
        try:
            yield observe
            good = not refused
        finally:
            if rate is not None or trying:
                await asyncio.to_thread(self._limiter.end_request, registry, token, good=good)
            if trying:
                await asyncio.to_thread(self._limiter.end_trial, registry)
                if good:
                    self._pauses.pop(registry, None)

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
