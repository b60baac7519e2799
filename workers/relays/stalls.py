"""When does a copy stand still, and is ended?"""

from __future__ import annotations

from dregsy_queue.errors import DregsyError

#: Bytes a second; what moves less stands still. A peer that sends a byte now and then would hold a slot for ever.
SLOWEST = 100
#: A copy whose bytes nobody counts is ended after so many times the usual time.
UNCOUNTED = 24


class StalledError(DregsyError):
    """A copy stood still for `seconds` and was ended."""

    def __init__(self, seconds: float, *, counted: bool = True) -> None:
        if counted:
            super().__init__(f"less than {SLOWEST} B/s moved for {seconds:.0f} s, and the copy was ended")
        else:
            super().__init__(f"it had not ended after {seconds:.0f} s, and the copy was ended")


class Pace:
    """Looks at a counter of bytes from time to time, and knows since when too little has moved."""

    def __init__(self, stalled_after: float, moved: int, now: float) -> None:
        """`stalled_after`: seconds; `moved`: bytes up to now; `now`: seconds of any clock."""
        self._stalled_after = stalled_after
        self._moved, self._since = moved, now

    def stands_still(self, moved: int, now: float) -> bool:
        """Whether fewer than `SLOWEST` bytes a second moved for `stalled_after` seconds up to `now`."""
        if moved - self._moved >= SLOWEST * self._stalled_after:
            self._moved, self._since = moved, now
        return now - self._since >= self._stalled_after
