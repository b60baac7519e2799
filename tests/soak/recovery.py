"""How soon does work go on after a fault? Measured by what the ledger counts and by what each worker says it did."""

from __future__ import annotations

import time
from dataclasses import dataclass

from redis import RedisError

from dregsy_queue.ledger.report import RunCounts, RunReader
from tests.soak.world import TASKS, Seat, World

#: Seconds between two looks.
LOOK = 0.25
#: A worker is expected to get some of the work when so many jobs are open.
PLENTY = 10


@dataclass(frozen=True)
class Recovery:
    """Seconds of open work until an outcome was written, and until each worker had copied something."""

    cluster: float
    workers: float
    #: who had not by the limit
    deaf: tuple[str, ...]


class Observer:
    def __init__(self, world: World) -> None:
        self._world, self._reader = world, RunReader(world.connection)

    def newest(self) -> dict[str, RunCounts] | None:
        """By task; None while Redis does not answer."""
        try:
            return {name: found for name in TASKS if (found := self._reader.newest(name))}
        except (RedisError, OSError):
            return None

    def open(self) -> int:
        return sum(counts.open for counts in (self.newest() or {}).values())

    def wait(self, limit: float) -> Recovery:
        """A fault is over now. The clock stands still while nothing is to be done."""
        before = self.newest()
        copied = {seat.name: copies(seat) for seat in self._world.seats_of("worker")}
        cluster = workers = 0.0
        progressed, last = False, time.monotonic()
        while (not progressed or copied) and max(cluster, workers) < limit:
            time.sleep(LOOK)
            now, passed = self.newest(), time.monotonic() - last
            last += passed
            open_jobs = sum(counts.open for counts in now.values()) if now else PLENTY
            before = now if before is None else before
            cluster += passed if not progressed and open_jobs else 0
            workers += passed if copied and open_jobs >= PLENTY else 0
            progressed = progressed or bool(now and before is not None and _further(before, now))
            copied = {
                seat.name: copied[seat.name]
                for seat in self._world.seats_of("worker")
                if seat.name in copied and copies(seat) == copied[seat.name]
            }
        return Recovery(cluster, workers, tuple(copied))


def _further(before: dict[str, RunCounts], now: dict[str, RunCounts]) -> bool:
    """A run of `now` has outcomes that it had not before."""
    for name, counts in now.items():
        then = before.get(name)
        known = _outcomes(then) if then and then.run == counts.run else 0
        if _outcomes(counts) > known:
            return True
    return False


def _outcomes(counts: RunCounts) -> int:
    return counts.copied + counts.up_to_date + counts.failed + counts.cancelled


def copies(seat: Seat) -> int:
    """How many copies a worker has told of."""
    return seat.role.log.read_bytes().count(b'"copied in ')
