"""What a worker does each second, and in which order."""

from __future__ import annotations

import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from redis import ConnectionError as RedisConnectionError

from dregsy_queue.ledger.admission import Reaped
from dregsy_queue.ledger.presence import HEARTBEAT, Heard
from tests.lab.clock import FakeClock
from workers.coordinator import TICK, Coordinator
from workers.meters import Meters


def _fake(**attributes: object) -> Any:
    return SimpleNamespace(**attributes)


class Cluster:
    """Services that note what is asked of them; `down`: Redis is away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False
        self.more = 0
        self.relays = _fake(offered=["skopeo"])
        self.clock = FakeClock()
        self.services = _fake(
            loop=_fake(names=set),
            presence=_fake(heartbeat=lambda *_, **__: self._answer("heartbeat", Heard(set(), []))),
            in_hand=_fake(jobs=set, write_kept=lambda: self._answer("write what was kept")),
            admission=_fake(reap=self._reap),
            limiter=_fake(pauses=lambda: self._answer("pauses", {})),
            pacer=_fake(remember_pauses=lambda _: None),
            desk=_fake(work=lambda: self._answer("orders")),
            send=lambda: self._answer("send"),
            config=_fake(get=lambda: _fake(config=_fake(tasks=[]))),
            redis=None,
            wake=threading.Event(),
            meters=Meters(),
            settings=_fake(alone=False),
        )
        self.coordinator = Coordinator(self.services, self.relays, "w", 1, self.clock)
        self.coordinator.take_messages_of = lambda kinds: self.asked.append(f"take {' '.join(kinds)}")

    def _answer(self, name: str, value: Any = None) -> Any:
        if self.down:
            raise RedisConnectionError("gone")
        self.asked.append(name)
        return value

    def _reap(self) -> Reaped:
        self.more -= 1
        self.clock.now += 0.1
        return Reaped([], [], [], self._answer("reap", []), more=self.more > 0)

    def tick(self) -> list[str]:
        self.asked = []
        self.coordinator.tick()
        self.clock.now += TICK
        return self.asked


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()

    def examine(*_: object) -> list[str]:
        made.asked.append("examine")
        return []

    monkeypatch.setattr("workers.coordinator.examine", examine)
    return made


USUAL = ["write what was kept", "reap", "pauses", "orders", "send"]


def test_a_heartbeat_comes_first_and_again_when_it_is_due(cluster: Cluster) -> None:
    assert cluster.tick() == ["heartbeat", "examine", *USUAL]
    assert cluster.tick() == USUAL
    cluster.clock.now += HEARTBEAT
    assert cluster.tick() == ["heartbeat", *USUAL]


def test_draining_is_said_at_once(cluster: Cluster) -> None:
    cluster.tick()
    cluster.coordinator.drain()
    assert cluster.tick() == ["heartbeat", *USUAL]
    assert cluster.tick() == USUAL


def test_other_relays_are_other_queues(cluster: Cluster) -> None:
    cluster.tick()
    cluster.relays.offered = ["direct", "skopeo"]
    assert cluster.tick() == ["take plan shard direct skopeo", "heartbeat", *USUAL]


def test_an_outage_is_told_once_and_redis_is_examined_after_it(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cluster.tick()
    cluster.down = True
    assert cluster.tick() == cluster.tick() == []
    cluster.down = False
    assert cluster.tick() == ["heartbeat", "examine", *USUAL]
    assert [record.getMessage() for record in caplog.records] == ["coordination waits: gone", "Redis answers again"]


def test_an_error_that_nobody_expected_ends_nothing(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    cluster.services.send = lambda: 1 / 0
    cluster.tick()
    cluster.tick()
    assert len([record for record in caplog.records if record.exc_info]) == 2


def test_long_work_gets_a_part_of_each_tick(cluster: Cluster) -> None:
    cluster.more = 100
    assert cluster.tick().count("reap") == 3, "a quarter of a second, at 0.1 s each"
