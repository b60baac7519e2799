"""How many skopeo processes run at once? As many as this worker's cores can feed; more only while these are idle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from workers.relays.skopeo.cores import Cores, usable_cores

#: Processes per core that run in any case: one waits for the network while the other computes.
PER_CORE = 2
#: Beyond these one more may start when at least this part of the cores' time was idle.
IDLE_ENOUGH = 0.25
#: Seconds between looks at that.
LOOK = 0.25


class Gate:
    """Lets processes start one by one; to be used on one event loop."""

    def __init__(self, cores: Cores | None = None) -> None:
        """`cores`: None: those that this process may use."""
        cores = cores or usable_cores()
        self._always = max(1, round(PER_CORE * cores.number))
        self._times = cores.times
        self._running = 0
        self._turn = asyncio.Lock()
        self._ended = asyncio.Event()

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[None]:
        """Around one process; waits on entry until it may start. Who came first starts first."""
        async with self._turn:
            await self._until_room()
            self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._ended.set()

    async def _until_room(self) -> None:
        before = self._times()
        while self._running >= self._always:
            self._ended.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), LOOK)
                continue
            now = self._times()
            if before and now and idle(before, now) >= IDLE_ENOUGH:
                return
            before = now


def idle(before: tuple[float, float], now: tuple[float, float]) -> float:
    """The idle part of the cores' time in between, 0 to 1."""
    whole = now[1] - before[1]
    return (now[0] - before[0]) / whole if whole > 0 else 0.0
