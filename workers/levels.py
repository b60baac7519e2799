"""Keeps each registry at its level: tells Redis what this process sees, and follows what the fleet has found."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
from dataclasses import replace

from redis import RedisError

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.ledger.levels import Figures, Levels
from workers.permits import Permits

log = logging.getLogger(__name__)

#: Seconds between two looks at how late this event loop is.
_LOOK = 0.1
#: An event loop that is so late on average (seconds; part of the time that answers took) measures itself.
LATE, LATE_PART = 0.015, 0.25
#: Seconds until Redis is told again, where it did not answer.
_AGAIN = 2.0


class LevelKeeper:
    """Of one process; `permits` and `refused` are for its event loop."""

    def __init__(self, levels: Levels, clock: Clock = SYSTEM) -> None:
        self._levels, self._clock = levels, clock
        self._name = secrets.token_hex(8)
        self._permits: dict[str, Permits] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._awake: set[str] = set()
        self._tasks = set[asyncio.Task[None]]()
        self._lateness = _Lateness()

    def permits(self, registry: str) -> Permits:
        permits = self._permits.get(registry)
        if permits is None:
            permits = self._permits[registry] = Permits(self._clock)
        if registry not in self._awake:
            self._awake.add(registry)
            self._after(0.0, registry)
        return permits

    async def refused(self, registry: str) -> None:
        """A refusal of this process began a pause."""
        await self._tell(registry, refused=True)

    def refused_elsewhere(self, registry: str) -> None:
        """A transfer's program met a refusal that began a pause; from any thread. Raises: RedisError or OSError."""
        self._levels.tell(registry, self._name, Figures(), refused=True)

    def _after(self, seconds: float, registry: str) -> None:
        def begin() -> None:
            task = asyncio.get_running_loop().create_task(self._tell_on(registry))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._lateness.begin()
        # In a context of its own: it holds no permit of whoever happens to be first.
        asyncio.get_running_loop().call_later(seconds, begin, context=contextvars.Context())

    async def _tell_on(self, registry: str) -> None:
        permits = self._permits[registry]
        if not permits.is_used:
            self._awake.discard(registry)
            permits.rest()
            if not self._awake:
                self._lateness.end()
            return
        seconds = _AGAIN
        try:
            seconds = await self._tell(registry)
        finally:
            self._after(seconds, registry)

    async def _tell(self, registry: str, *, refused: bool = False) -> float:
        """Returns the seconds until the next time."""
        permits = self._permits[registry]
        # One after the other, so that the last answer is the newest.
        async with self._locks.setdefault(registry, asyncio.Lock()):
            figures = self._lateness.cleaned(permits.figures())
            try:
                level = await asyncio.to_thread(self._levels.tell, registry, self._name, figures, refused=refused)
            except (RedisError, OSError) as error:
                log.debug("levels wait: %s", error)
                return _AGAIN
            permits.hear(level)
        return level.next_call


class _Lateness:
    """How late is this event loop?"""

    def __init__(self) -> None:
        self._total, self._looks = 0.0, 0
        self._runs = False

    def begin(self) -> None:
        if not self._runs:
            self._runs = True
            self._look_again()

    def end(self) -> None:
        self._runs = False

    def cleaned(self, figures: Figures) -> Figures:
        """Without times, where they tell more of this process than of a registry."""
        late = self._total / self._looks if self._looks else 0.0
        # Of late, for several registries.
        self._total, self._looks = late, min(self._looks, 1)
        number = sum(number for number, _ in figures.times.values())
        mean = sum(seconds for _, seconds in figures.times.values()) / number if number else 0.0
        return replace(figures, times={}) if late > max(LATE, LATE_PART * mean) else figures

    def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + _LOOK

        def look() -> None:
            self._total, self._looks = self._total + max(0.0, loop.time() - due), self._looks + 1
            if self._runs:
                self._look_again()

        loop.call_later(_LOOK, look, context=contextvars.Context())
