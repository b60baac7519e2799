"""API requests of one process under the config's `requests`, without Redis; what registries say of quotas is kept."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.config.models import Config
from dregsy_queue.config.registries import limits_for
from dregsy_queue.registry.quota import Quota, parse_quota
from dregsy_queue.registry.throttle import End, Observe, nothing


class LocalPacer:
    def __init__(self, config: Config, clock: Clock = SYSTEM) -> None:
        self._config = config
        self._clock = clock
        self._sent: dict[str, deque[float]] = {}
        #: by registry, the last word
        self.quotas: dict[str, Quota] = {}

    @contextlib.asynccontextmanager
    async def request(self, registry: str, kind: str = "", *, waits: bool = True) -> AsyncIterator[Observe]:
        rate = limits_for(self._config.registries, registry).requests
        if rate is not None:
            await self._wait(registry, *rate)

        async def observe(status: int, headers: Mapping[str, str], *, elsewhere: bool = False) -> End:
            quota = parse_quota(headers)
            if quota is not None:
                self.quotas[registry] = quota
            return nothing

        yield observe

    @contextlib.asynccontextmanager
    async def together(self, registries: Collection[str]) -> AsyncIterator[None]:
        yield

    async def _wait(self, registry: str, number: int, window: float) -> None:
        """Wait until this request is one of at most `number` in any `window` seconds."""
        sent = self._sent.setdefault(registry, deque())
        now = self._clock.monotonic()
        due = max(now, sent[0] + window) if len(sent) >= number else now
        # Reserve the moment before sleeping, so that the next caller gets a later one.
        sent.append(due)
        while len(sent) > number:
            sent.popleft()
        await self._clock.sleep(due - now)
