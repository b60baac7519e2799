"""Which relays a worker offers while programs and daemons come and go."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from dregsy_queue.settings import from_environment
from tests.lab.clock import FakeClock
from workers.relay_health import PROBE, RelayHealth
from workers.relays.relay import RelayError

SHARED = replace(from_environment({}), daemon_wait=60)


class Loop:
    def run(self, coroutine: Coroutine[Any, Any, str | None]) -> str | None:
        try:
            coroutine.send(None)
        except StopIteration as end:
            return str(end.value) if end.value else None
        raise AssertionError("it waits")


class Relay:
    def __init__(self, why: str | None = None) -> None:
        self.why = why

    async def problem(self) -> str | None:
        return self.why


@pytest.fixture
def relays(monkeypatch: pytest.MonkeyPatch) -> dict[str, Relay]:
    made = {"docker": Relay("no daemon"), "skopeo": Relay()}
    monkeypatch.setattr("workers.relay_health.make_relays", lambda *_: made)
    return made


def health(clock: FakeClock, *, alone: bool = False) -> RelayHealth:
    unused: Any = None
    loop: Any = Loop()
    return RelayHealth(unused, replace(SHARED, alone=alone), loop, clock)


def test_a_relay_that_does_not_work_is_looked_for_again(relays: dict[str, Relay]) -> None:
    clock = FakeClock()
    found = health(clock)
    assert found.offered == ["skopeo"]
    relays["docker"].why = None
    found.probe_if_due()
    assert found.offered == ["skopeo"], "not yet"
    clock.now += PROBE
    found.probe_if_due()
    assert found.offered == ["docker", "skopeo"]


def test_a_relay_that_fails_is_offered_no_more_until_it_works(relays: dict[str, Relay]) -> None:
    clock = FakeClock()
    found = health(clock)
    found.heard("skopeo", RelayError("it was refused"))
    assert found.offered == ["skopeo"], "a failed copy says nothing of the relay"
    found.heard("skopeo", RelayError("skopeo is gone", "missing"))
    assert found.offered == []
    clock.now += PROBE
    found.probe_if_due()
    assert found.offered == ["skopeo"]


def test_a_worker_that_is_alone_offers_all_and_waits_for_a_daemon_for_a_while(relays: dict[str, Relay]) -> None:
    clock = FakeClock()
    found = health(clock, alone=True)
    assert found.offered == ["docker", "skopeo"] and found.may_still_come()
    clock.now += SHARED.daemon_wait
    assert not found.may_still_come()


@pytest.mark.parametrize("alone", [True, False])
def test_jobs_of_a_relay_that_the_config_no_longer_uses(
    relays: dict[str, Relay], alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is alone takes them, so that they end; in a cluster they are left to workers with the old config."""
    found = health(FakeClock(), alone=alone)
    unused: Any = None
    relays["docker"].why = None
    monkeypatch.setattr("workers.relay_health.make_relays", lambda *_: {"docker": relays["docker"]})
    found.make_anew(unused)
    assert found.offered == (["docker", "skopeo"] if alone else ["docker"])


def test_a_relay_that_the_config_does_not_use(relays: dict[str, Relay]) -> None:
    with pytest.raises(RelayError, match="does not use the relay 'direct'"):
        health(FakeClock()).relay("direct")
