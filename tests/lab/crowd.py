"""A registry that does best with so many requests at once: what happens to those beyond."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Literal

#: ``waits``: so many are answered at once, the others wait in line. ``slows``: beyond, all take so much longer that
#: less is done. ``refuses`` and ``fails``: those beyond get 429 or 503 at once.
Kind = Literal["waits", "slows", "refuses", "fails"]


class Crowd:
    """For `Faults.crowd`. `best` may be changed at any time; `seconds`: for an answer, where few are under way."""

    def __init__(self, kind: Kind, best: int, seconds: float = 0.1) -> None:
        self.kind, self.best, self.seconds = kind, best, seconds
        self.refused = 0
        #: how many were under way from when on
        self._log: list[tuple[float, int]] = [(time.monotonic(), 0)]
        self._now = self._served = 0
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def request(self) -> AsyncIterator[int]:
        """Around one request; gives the status that it gets instead of an answer, or 0."""
        self._count(1)
        try:
            if self.kind in ("refuses", "fails") and self._now > self.best:
                self.refused += 1
                yield 429 if self.kind == "refuses" else 503
            elif self.kind == "slows":
                await asyncio.sleep(self.seconds * max(1.0, self._now / self.best) ** 2)
                yield 0
            else:
                async with self._served_in_turn():
                    await asyncio.sleep(self.seconds)
                    yield 0
        finally:
            self._count(-1)

    def under_way(self, seconds: float) -> float:
        """Requests under way on average in the last so many seconds."""
        now, total, until = time.monotonic(), 0.0, time.monotonic()
        for since, number in reversed(self._log):
            total += (until - max(since, now - seconds)) * number
            if since <= now - seconds:
                break
            until = since
        return total / seconds

    @contextlib.asynccontextmanager
    async def _served_in_turn(self) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: self.kind != "waits" or self._served < self.best)
            self._served += 1
        try:
            yield
        finally:
            self._served -= 1
            async with self._changed:
                self._changed.notify_all()

    def _count(self, number: int) -> None:
        self._now += number
        self._log.append((time.monotonic(), self._now))
