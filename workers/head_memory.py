"""Which registries do not answer HEADs? Found out by one worker, known to all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TypeVar

from redis import RedisError

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.ledger.head_refusals import HeadRefusals
from dregsy_queue.oci.hosts import registry_key

T = TypeVar("T")

#: Seconds between two looks at what other workers found out.
EVERY = 60.0


class ClusterHeadMemory:
    """To be used on one event loop. While Redis does not answer, what this worker knows counts."""

    def __init__(self, refusals: HeadRefusals, clock: Clock = SYSTEM) -> None:
        self._refusals = refusals
        self._clock = clock
        #: registry → until when, on the monotonic clock
        self._known: dict[str, float] = {}
        self._next = 0.0

    async def is_refused(self, registry: str) -> bool:
        now = self._clock.monotonic()
        if now >= self._next:
            self._next = now + EVERY
            self._learn(await self._try(self._refusals.all) or {})
        return now < self._known.get(registry_key(registry), 0.0)

    async def remember(self, registry: str, seconds: float) -> None:
        name = registry_key(registry)
        self._learn({name: seconds})
        await self._try(lambda: self._refusals.remember(name, seconds))

    async def pulled(self, registry: str) -> None:
        await self._try(lambda: self._refusals.pulled(registry_key(registry)))

    def _learn(self, left: Mapping[str, float]) -> None:
        now = self._clock.monotonic()
        for registry, seconds in left.items():
            self._known[registry] = max(self._known.get(registry, 0.0), now + seconds)

    async def _try(self, call: Callable[[], T]) -> T | None:
        with contextlib.suppress(RedisError, OSError):
            return await asyncio.to_thread(call)
        return None
