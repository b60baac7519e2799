"""How many requests has this process under way at a registry, and how are they answered? Each takes a permit.

Nobody who holds a permit waits for another one, unless it was taken together with it: so somebody can always go on,
also where one registry is source and target.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.ledger.levels import Figures, Level
from dregsy_queue.registry.pool import CONNECTIONS

#: Where no level is known so many requests begin, and two more with each good answer: the first answers tell how long
#: they take where little is under way.
FIRST = 16
#: More begin only while answers take at most so many times as long as the first ones, and so many seconds longer.
MUCH_LONGER, LONGER_BY = 2.0, 0.05
#: Answers by which later ones are measured.
_FIRST_ANSWERS = 8


@dataclass
class _Counts:
    """What is told of an epoch, since it was told last."""

    since: float
    flight: float = 0.0
    answers: int = 0
    failures: int = 0
    served: float = 0.0
    done: int = 0
    times: dict[str, tuple[int, float]] = field(default_factory=dict)


class Permits:
    """Of one registry; to be used on one event loop."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self.limit = FIRST
        self.under_way = 0
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        #: permits that are waited for
        self.waiting = 0
        self._share: int | None = None
        self._epoch = 0
        self._first: dict[str, tuple[int, float]] = {}
        now = clock.monotonic()
        self._noted = self._told = now
        #: seconds of requests under way and waiting since the last `figures`
        self._wanted = 0.0
        self._counts = _Counts(now)
        #: requests of this epoch that were sent since then tell of its level
        self._from = now

    @property
    def is_used(self) -> bool:
        """Whether something is under way, or was since the last `figures`."""
        return self.under_way > 0 or bool(self._queue) or self._wanted > 0

    async def take(self, number: int = 1, *, waits: bool = True) -> None:
        """Take permits, all at once; at last `leave` so many. Those who do not wait are counted all the same."""
        if waits and (self._queue or not self._has_room(number)):
            entry = (number, asyncio.get_running_loop().create_future())
            self._note()
            self._queue.append(entry)
            self.waiting += number
            try:
                await entry[1]
            except asyncio.CancelledError:
                if not entry[1].cancelled():
                    # It had been let in.
                    self.leave(number)
                elif entry in self._queue:
                    self._note()
                    self._queue.remove(entry)
                    self.waiting -= number
                    self._let_in()
                raise
        else:
            self._note()
            self.under_way += number

    def leave(self, number: int = 1) -> None:
        self._note()
        self.under_way -= number
        self._let_in()

    def hear(self, level: Level) -> None:
        """Follow what the fleet has found."""
        now = self._clock.monotonic()
        was, self._share = self._share, level.share
        if level.epoch != self._epoch:
            self._epoch = level.epoch
            self._note()
            self._from = now + level.counts_after
            self._counts = _Counts(self._from)
        if level.share is not None:
            self.limit = level.share
        elif was is not None:
            self.limit = CONNECTIONS
        elif self._queue and self._first and not level.suspects:
            # Answers differ for many reasons; where the fleet sees nothing in the way, it is not this.
            self.limit = min(CONNECTIONS, 2 * self.limit)
        self._let_in()

    def figures(self) -> Figures:
        """What was seen since the last call."""
        self._note()
        now, counts = self._clock.monotonic(), self._counts
        seconds = max(0.0, now - counts.since)
        figures = Figures(
            self._epoch,
            seconds,
            counts.flight / seconds if seconds else 0.0,
            self._wanted / (now - self._told) if now > self._told else float(self.under_way + self.waiting),
            counts.answers,
            counts.failures,
            counts.served,
            counts.done,
            counts.times,
        )
        self._counts = _Counts(max(now, counts.since))
        self._told, self._wanted = now, 0.0
        return figures

    def _has_room(self, number: int) -> bool:
        return self.under_way + number <= self.limit or not self.under_way

    def _let_in(self) -> None:
        while self._queue and self._has_room(self._queue[0][0]):
            number, permit = self._queue.popleft()
            self.waiting -= number
            if not permit.done():
                self.under_way += number
                permit.set_result(None)

    def _note(self) -> None:
        """To be called before what is under way or waits changes."""
        now = self._clock.monotonic()
        if self._queue or self.under_way:
            self._wanted += (now - self._noted) * (self.under_way + self.waiting)
            self._counts.flight += max(0.0, now - max(self._noted, self._counts.since)) * self.under_way
        self._noted = now

    def answered(self, began: float, kind: str, seconds: float) -> None:
        """A good answer to a request that was sent at `began`: its head came after `seconds`. `kind`: what such
        requests have in common, "" where that time says nothing."""
        if self._clock.monotonic() >= self._counts.since:
            self._counts.done += 1
        if began >= self._from:
            self._counts.answers += 1
            if kind:
                number, total = self._counts.times.get(kind, (0, 0.0))
                self._counts.times[kind] = number + 1, total + seconds
        if self._share is None:
            self._widen(kind, seconds)

    def failed(self, began: float) -> None:
        """No answer, or one that the registry failed."""
        if began >= self._from:
            self._counts.answers += 1
            self._counts.failures += 1

    def served(self, began: float) -> None:
        """A good answer has come to its end."""
        if began >= self._from:
            self._counts.served += self._clock.monotonic() - began

    def rest(self) -> None:
        """Nothing has been asked for a while: the next requests begin as the first ones did."""
        self._first.clear()
        if self._share is None:
            self.limit = FIRST

    def _widen(self, kind: str, seconds: float) -> None:
        number, total = self._first.get(kind, (0, 0.0))
        if kind and number < _FIRST_ANSWERS:
            self._first[kind] = number + 1, total + seconds
        elif kind and seconds > max(MUCH_LONGER * total / number, total / number + LONGER_BY):
            return
        if self.limit < CONNECTIONS:
            self.limit = min(CONNECTIONS, self.limit + 2)
            self._let_in()
