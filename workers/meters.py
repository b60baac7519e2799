"""How far are the transfers that run here? Asked by each heartbeat; counting costs a relay nothing but an addition."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.ledger.presence import Moved

#: Shortest time over which a rate is measured, in seconds.
LEAST = 0.5


class Meter:
    """One copy's."""

    def __init__(self, now: float = 0.0) -> None:
        self._read: Callable[[], int | None] = lambda: None
        #: bytes and rate when it was read last, and when that was
        self._last, self._at = Moved(0, None), now

    def follow(self, read: Callable[[], int | None]) -> None:
        """From now on `read` tells the bytes that have moved so far; it is called from another thread."""
        self._read = read

    def read(self, now: float) -> Moved | None:
        """None: the relay does not count. A relay that begins again counts from 0 again."""
        total = self._read()
        if total is None:
            return None
        passed = now - self._at
        if passed < LEAST:
            return Moved(total, self._last.rate)
        self._last, self._at = Moved(total, max(0, total - self._last.bytes) / passed), now
        return self._last


class Meters:
    """Of all transfers of this process, by job; thread-safe."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._meters: dict[str, Meter] = {}

    @contextlib.contextmanager
    def running(self, job: str) -> Iterator[Meter]:
        """A meter for as long as the transfer runs."""
        meter = Meter(self._clock.monotonic())
        with self._lock:
            self._meters[job] = meter
        try:
            yield meter
        finally:
            with self._lock:
                if self._meters.get(job) is meter:
                    del self._meters[job]

    def read(self) -> dict[str, Moved]:
        """What is known by now, by job."""
        now = self._clock.monotonic()
        with self._lock:
            meters = list(self._meters.items())
        return {job: moved for job, meter in meters if (moved := meter.read(now)) is not None}
