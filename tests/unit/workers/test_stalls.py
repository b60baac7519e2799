"""What moves too little stands still, however long it goes on so."""

from __future__ import annotations

from workers.relays.stalls import SLOWEST, Pace


def test_a_byte_now_and_then_does_not_count_as_moving() -> None:
    pace = Pace(10, moved=0, now=100.0)
    assert [pace.stands_still(second, 100.0 + second) for second in range(1, 11)] == [False] * 9 + [True]


def test_what_moves_enough_goes_on_and_its_time_begins_again() -> None:
    pace = Pace(10, moved=5, now=0.0)
    assert not pace.stands_still(5 + 10 * SLOWEST, 9.0)
    assert not pace.stands_still(5 + 10 * SLOWEST, 18.0)
    assert pace.stands_still(6 + 10 * SLOWEST, 19.0)
