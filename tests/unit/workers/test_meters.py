"""How far a transfer is, and how fast it goes, by a clock of the test's own."""

from __future__ import annotations

from dregsy_queue.ledger.presence import Moved
from tests.lab.clock import FakeClock
from workers.meters import Meters


def test_bytes_and_rate_between_two_readings() -> None:
    clock = FakeClock()
    meters, moved = Meters(clock), 0
    with meters.running("a") as meter, meters.running("silent"):
        assert meters.read() == {}, "nobody tells yet"
        meter.follow(lambda: moved)
        assert meters.read() == {"a": Moved(0, None)}, "no rate of a moment"
        moved, clock.now = 1000, clock.now + 2
        assert meters.read() == {"a": Moved(1000, 500.0)}
        moved, clock.now = 4000, clock.now + 1
        assert meters.read() == {"a": Moved(4000, 3000.0)}
        moved = 4100
        assert meters.read() == {"a": Moved(4100, 3000.0)}, "the rate of before"
        clock.now += 5
        assert meters.read() == {"a": Moved(4100, 20.0)}, "it is slow now"
        # Another relay begins anew.
        moved, clock.now = 50, clock.now + 1
        assert meters.read() == {"a": Moved(50, 0.0)}
    assert meters.read() == {}


def test_a_later_attempt_keeps_its_meter() -> None:
    meters = Meters(FakeClock())
    with meters.running("a") as first:
        first.follow(lambda: 1)
        with meters.running("a") as second:
            second.follow(lambda: 2)
        assert meters.read() == {}
