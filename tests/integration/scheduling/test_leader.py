"""The leading scheduler on a real Redis: what it starts, when, and what it writes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from dregsy_queue import settings
from dregsy_queue.config.current import CurrentConfig
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.presence import Presence
from dregsy_queue.ledger.roles import Roles
from dregsy_queue.scheduling.leader import Leader
from dregsy_queue.scheduling.leadership import Leadership
from dregsy_queue.scheduling.pidboxes import Pidboxes
from dregsy_queue.scheduling.starter import RunStarter
from dregsy_queue.scheduling.timetable import Timetable
from tests.lab.distance import DelayedRelay
from tests.lab.dregsy import auth, location, mapping, task

Make = Callable[..., Leader]


def write(path: Path, *tasks: dict[str, Any], **top: Any) -> Path:
    path.write_text(json.dumps({"relay": "skopeo", **top, "tasks": list(tasks)}))
    return path


def periodic(name: str, repository: str = "x", **more: Any) -> dict[str, Any]:
    source = location("src.example", **({"auth": auth("bob", more.pop("password"))} if "password" in more else {}))
    return task(name, source, location("dst.example"), mapping(repository), **{"interval": 3600, **more})


@pytest.fixture
def make(redis_url: str) -> Make:
    def leader(config: Path, url: str = redis_url) -> Leader:
        chosen = settings.from_environment({"DREGSY_REDIS_URL": url})
        connection = connect(url)
        leads = Leadership(Roles(connection), "one#1")
        assert leads.keep_or_take()
        made = Leader(CurrentConfig(config), "", RunStarter(chosen, sends=True), Timetable(connection), leads.keep)
        made.begin()
        made.tick(hung_up=False)
        return made

    return leader


def runs(redis_url: str, *names: str) -> list[int]:
    client = _client(redis_url)
    return [int(client.llen(f"dregsy:task:{name}:runs")) for name in names]


def _calls(redis_url: str) -> int:
    """Round trips so far, roughly: reads from sockets."""
    return int(_client(redis_url).info("stats")["total_reads_processed"])


def end_runs(redis_url: str) -> None:
    client = _client(redis_url)
    for name in client.smembers("dregsy:tasks"):
        client.hset(f"dregsy:run:{client.hget(f'dregsy:task:{name}', 'active')}", "state", "done")


def change(leader: Leader, path: Path, *tasks: dict[str, Any], **top: Any) -> None:
    write(path, *tasks, **top)
    leader._config.refresh()
    leader.tick(hung_up=False)


@pytest.mark.timeout(60)
def test_500_tasks_that_are_due_at_once_start_in_few_calls(make: Make, redis_url: str, tmp_path: Path) -> None:
    tasks = [periodic(f"t{number}", f"repo-{number}", interval=number % 2 * 3600) for number in range(500)]
    with DelayedRelay("127.0.0.1", int(redis_url.rpartition(":")[2].partition("/")[0]), 0.005) as far:
        before = _calls(redis_url)
        make(write(tmp_path / "c.yaml", *tasks), redis_url.replace(redis_url.split("/")[2], far.host))
        assert _calls(redis_url) - before < 200
    assert set(runs(redis_url, *(f"t{number}" for number in range(500)))) == {1}
    dues = _client(redis_url).zrange("dregsy:beat::schedule", 0, -1, withscores=True)
    assert len(dues) == 250 and all(3500 < due - time.time() < 3601 for _, due in dues)


@pytest.mark.parametrize("watch", [True, False])
def test_what_starts_when_the_file_changes(make: Make, redis_url: str, tmp_path: Path, watch: bool) -> None:
    path, top = tmp_path / "c.yaml", {"watch": watch}
    once = periodic("once", interval=0)
    leader = make(write(path, periodic("same"), periodic("other"), periodic("login", password="bad1"), once, **top))
    names = ("same", "other", "login", "once", "new", "new-once")
    assert runs(redis_url, *names) == [1, 1, 1, 1, 0, 0]
    end_runs(redis_url)
    client = _client(redis_url)
    run = client.lindex("dregsy:task:once:runs", 0)
    client.set("dregsy:once:once", client.hget(f"dregsy:run:{run}", "fingerprint"))
    change(
        leader, path,
        periodic("same"), periodic("other", "y"), periodic("login", password="good"), once, periodic("new"),
        periodic("new-once", interval=0), **top,
    )  # fmt: skip
    changed = [1, 2, 2, 1, 1, 1] if watch else [1, 1, 2, 1, 0, 0]
    assert runs(redis_url, *names) == changed
    # the next leader takes over: what nobody asked for starts with it, the rest keeps its beat
    end_runs(redis_url)
    client.delete("dregsy:beat::lock")
    make(path)
    assert runs(redis_url, "same", "other", "login", "once") == [1, changed[1], 2, 1]
    assert "good" not in _everything(redis_url)


def test_limits_are_handed_over_at_once(make: Make, redis_url: str, tmp_path: Path) -> None:
    path, client = tmp_path / "c.yaml", _client(redis_url)
    leader = make(write(path, periodic("t"), registries={"src.example": {"max-concurrent": 8}}))
    assert client.hgetall("dregsy:limits:src.example") == {"max-concurrent": "8"}
    change(leader, path, periodic("t"), registries={"src.example": {"max-concurrent": 1}})
    assert client.hgetall("dregsy:limits:src.example") == {"max-concurrent": "1"}
    change(leader, path, periodic("t"))
    assert client.hgetall("dregsy:limits:src.example") == {}


def test_a_start_that_is_too_far_away_is_brought_back(make: Make, redis_url: str, tmp_path: Path) -> None:
    client = _client(redis_url)
    client.zadd("dregsy:beat::schedule", {"dregsy:beat:t": time.time() + 86_400, "dregsy:beat:gone": 1.0})
    make(write(tmp_path / "c.yaml", periodic("t", interval=30)))
    ((name, due),) = client.zrange("dregsy:beat::schedule", 0, -1, withscores=True)
    assert name == "dregsy:beat:t" and due - time.time() < 31


def test_bindings_of_killed_workers_are_swept_up(redis_url: str) -> None:
    client, pidboxes = _client(redis_url), Pidboxes(connect(redis_url))
    bindings = {name: f"\x06\x16\x06\x16{name}.celery.pidbox" for name in ("lives@a", "killed@b", "starts@c")}
    client.sadd("_kombu.binding.celery.pidbox", bindings["lives@a"], bindings["killed@b"])
    presence = Presence(connect(redis_url))
    presence.heartbeat("lives@a#1234", slots=1, kinds=["plan"])
    assert pidboxes.sweep() == 0
    client.sadd("_kombu.binding.celery.pidbox", bindings["starts@c"])
    assert pidboxes.sweep() == 1
    assert client.smembers("_kombu.binding.celery.pidbox") == {bindings["lives@a"], bindings["starts@c"]}


def _client(redis_url: str) -> Any:
    return redis_py.Redis.from_url(redis_url, decode_responses=True)


def _everything(redis_url: str) -> str:
    client = redis_py.Redis.from_url(redis_url)
    return str([client.dump(name) for name in client.scan_iter(count=1000)])


def test_another_relay_begins_a_run_anew_that_has_not_ended(make: Make, redis_url: str, tmp_path: Path) -> None:
    """Without `watch`, too: workers take no jobs of the relay before any more."""
    config = tmp_path / "dregsy.yaml"

    def tasks(relay: str) -> list[dict[str, Any]]:
        names = ("periodic", "ended periodic", "one-off", "ended one-off")
        return [periodic(name, relay=relay, interval=3600 if "periodic" in name else 0) for name in names]

    leader = make(write(config, *tasks("skopeo")))
    client = _client(redis_url)
    for name in ("ended periodic", "ended one-off"):
        run = client.hget(f"dregsy:task:{name}", "active")
        client.hset(f"dregsy:run:{run}", "state", "done")
        client.hdel(f"dregsy:task:{name}", "active")
    before = {name: client.hget(f"dregsy:task:{name}", "active") for name in ("periodic", "one-off")}
    change(leader, config, *tasks("direct"))
    for name, run in before.items():
        assert client.hget(f"dregsy:run:{run}", "state") == "done"
        assert client.hget(f"dregsy:run:{run}", "cancelled") == "superseded: the task was changed"
        assert client.hget(f"dregsy:task:{name}", "active") != run
    assert runs(redis_url, "periodic", "one-off", "ended periodic", "ended one-off") == [2, 2, 1, 1]
    change(leader, config, *tasks("direct"), registries={"src.example": {"max-concurrent": 3}})
    assert runs(redis_url, "periodic", "one-off") == [2, 2], "the relay is the same"


def test_what_waits_of_a_task_that_left_ends_a_minute_later(make: Make, redis_url: str, tmp_path: Path) -> None:
    config = write(tmp_path / "dregsy.yaml", periodic("gone"), periodic("stays"))
    leader = make(config)
    client, roles = _client(redis_url), Roles(connect(redis_url))
    run = client.hget("dregsy:task:gone", "active")
    change(leader, config, periodic("stays"))
    roles.renew("scheduler", "one#1", scheduled=leader.scheduled())
    left = float(client.hget("dregsy:task:gone", "left") or 0)

    def state() -> object:
        leader._thorough = 0.0
        leader.tick(hung_up=False)
        return client.hget(f"dregsy:run:{run}", "state")

    assert left and state() == "planning", "files of roles may differ for a moment"
    client.hset("dregsy:task:gone", "left", left - 61)
    assert state() == "done"
    assert client.hget(f"dregsy:run:{run}", "cancelled") == "its task is not in the config any more"
    assert client.hget("dregsy:task:stays", "active"), "this one goes on"
