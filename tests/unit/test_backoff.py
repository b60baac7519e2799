"""Waits between attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.backoff import LONGEST, delay


def test_waits_double_up_to_the_longest() -> None:
    assert [delay(2, attempt, jitter=0.5) for attempt in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]
    assert [delay(5, attempt, jitter=0.5, longest=15) for attempt in range(1, 4)] == [5, 10, 15]
    assert delay(2, 1, jitter=0) == 1 and delay(2, 1, jitter=1) == 3


@given(st.floats(0, 100), st.integers(1, 10_000), st.none() | st.floats(0, 1e6))
def test_waits_are_bounded_and_respect_what_was_asked(first: float, attempt: int, asked: float | None) -> None:
    wait = delay(first, attempt, asked)
    assert (asked or 0) <= wait <= max(LONGEST * 1.5, asked or 0)
