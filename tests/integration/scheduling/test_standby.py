"""Schedulers with different configs, as in a rolling update: only the one that leads writes the schedule."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from dregsy_queue.celery import make_app
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.roles import Roles
from dregsy_queue.scheduling.beat import Scheduler
from tests.lab.dregsy import location, mapping, task

Make = Callable[..., Scheduler]


@pytest.fixture
def make(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Schedulers by name and tasks; two processes in truth, so they have two names."""

    def scheduler(name: str, *tasks: str) -> Scheduler:
        entries = [
            task(found, location("src.example"), location("dst.example"), mapping("x", found), interval=3600)
            for found in tasks
        ]
        path = tmp_path / f"{name}.yaml"
        path.write_text(json.dumps({"relay": "skopeo", "tasks": entries}))
        monkeypatch.setenv("DREGSY_CONFIG", str(path))
        monkeypatch.setenv("DREGSY_REDIS_URL", redis_url)
        monkeypatch.setattr("dregsy_queue.scheduling.beat.scheduler_name", lambda: name)
        return Scheduler(make_app(redis_url))

    return scheduler


@pytest.fixture
def client(redis_url: str) -> Any:
    return redis_py.Redis.from_url(redis_url, decode_responses=True)


def schedule(client: Any) -> dict[str, float]:
    return {
        name.removeprefix("dregsy:beat:"): due
        for name, due in client.zrange("dregsy:beat::schedule", 0, -1, withscores=True)
    }


def runs(client: Any, *names: str) -> list[int]:
    return [client.llen(f"dregsy:task:{name}:runs") for name in names]


def test_a_standby_with_an_older_config_changes_nothing(make: Make, client: Any, redis_url: str) -> None:
    leader = make("new", "kept", "added")
    leader.tick()
    before = schedule(client)
    assert set(before) == {"kept", "added"} and runs(client, "kept", "added") == [1, 1]
    standby = make("old", "kept", "removed")
    for _ in range(3):
        standby.tick()
    assert schedule(client) == before and runs(client, "kept", "added", "removed") == [1, 1, 0]
    assert [(role.name, role.leads) for role in Roles(connect(redis_url)).list("scheduler")] == [
        ("new", True),
        ("old", False),
    ]
    leader.tick()
    assert schedule(client) == before


def test_a_task_that_is_added_by_a_rolling_update_starts_when_its_scheduler_leads(make: Make, client: Any) -> None:
    old = make("old", "kept")
    old.tick()
    new = make("new", "kept", "added")
    new.tick()
    assert set(schedule(client)) == {"kept"} and runs(client, "kept", "added") == [1, 0]
    old.close()
    new.tick()
    assert set(schedule(client)) == {"kept", "added"} and runs(client, "kept", "added") == [1, 1]


def test_schedulers_that_end_in_good_order_are_not_lost(make: Make, redis_url: str) -> None:
    leader, standby, roles = make("first", "kept"), make("second", "kept"), Roles(connect(redis_url))
    leader.tick()
    standby.tick()
    standby.close()
    assert [role.name for role in roles.list("scheduler")] == ["first"]
    leader.close()
    assert roles.list("scheduler") == []


def test_a_scheduler_that_can_do_nothing_does_not_say_that_it_lives(
    make: Make, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = make("stuck", "kept")
    monkeypatch.setattr(scheduler._leader, "tick", _no_redis)
    scheduler.tick()
    assert client.get("dregsy:beat::lock") == "stuck"
    assert not client.keys("dregsy:scheduler:*") and not client.exists("dregsy:roles:scheduler")


def _no_redis(**_: object) -> float:
    raise redis_py.ConnectionError("no answer")
