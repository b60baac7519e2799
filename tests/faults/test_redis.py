"""A Redis that is restarted, killed, away for a minute, or emptied."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import ManagedProcess, wait_until
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis", append_only=True).start()
    yield server
    server.kill()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("ending", "seconds"), [("stopped", 1.0), ("killed", 1.0), ("away", 60.0)])
def test_with_persistence_nothing_is_lost(
    cluster: Cluster, source: Registry, target: Registry, ending: str, seconds: float
) -> None:
    digests = push_many(source, "lib/app", [f"{n}" for n in range(120)])
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo=slow_skopeo(cluster.folder, 0.4),
    )
    workers = [cluster.worker(config, f"w{n}") for n in range(2)]
    scheduler = cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.copied >= 30)
    if ending == "killed":
        time.sleep(1.2)  # what was written in the last second may be lost (appendfsync everysec)
        cluster.redis.kill()
    else:
        cluster.redis.stop()
    time.sleep(seconds)
    cluster.redis.start()
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=120)
    assert (counts.copied, counts.failed, counts.open) == (120, 0, 0)
    assert {tag: target.digest("lib/app", tag) for tag in digests} == digests
    for role in (*workers, scheduler):
        assert role.process.alive, role.log.read_text()[-2000:]
    assert cluster.redis.client().keys("dregsy:running:*") == []
    assert cluster.redis.client().keys("dregsy:targets") == []


@pytest.mark.timeout(120)
def test_who_waits_for_a_run_waits_over_a_restart(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1", "2"])
    hold = cluster.folder / "hold"
    hold.touch()
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo=slow_skopeo(cluster.folder, 0),
    )
    cluster.worker(config, "w1")
    cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.open == 2)
    command = [str(BIN / "dregsy"), "run", "t", "--wait", "--redis", cluster.redis.url]
    waits = ManagedProcess(command, cluster.folder / "waits.log")
    try:
        wait_until(lambda: "t: run " in waits.output(), 60, "the run's name")
        cluster.redis.stop()
        time.sleep(1)
        assert waits.alive
        cluster.redis.start()
        hold.unlink()
        assert waits.process.wait(60) == 0, waits.output()
        assert "2 copied" in waits.output()
    finally:
        waits.kill()


@pytest.mark.timeout(200)
def test_an_emptied_redis_is_healed_by_the_schedule(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(60)])
    push_many(source, "lib/once", ["1", "2"])
    config = write_config(
        cluster.folder,
        task("often", location(source), location(target), mapping("lib/app"), interval=30),
        task("once", location(source), location(target), mapping("lib/once")),
        skopeo=slow_skopeo(cluster.folder, 0.4),
    )
    cluster.worker(config, "w1")
    scheduler = cluster.beat(config)
    cluster.wait_for("often", lambda counts: counts.copied >= 20)
    cluster.redis.client().flushall()
    wait_until(lambda: len(target.tags("lib/app")) == 60, timeout=60, what="all images")
    counts = cluster.wait_for("often", lambda counts: counts.done, timeout=60)
    assert counts.failed == 0 and counts.copied + counts.up_to_date == 60
    once = cluster.wait_for("once", lambda counts: counts.done, timeout=30)
    assert once.failed == 0
    assert any("Redis was emptied" in line["msg"] for line in scheduler.lines())


@pytest.mark.timeout(120)
def test_roles_that_start_before_redis(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1"])
    config = write_config(cluster.folder, task("t", location(source), location(target), mapping("lib/app")))
    cluster.redis.stop()
    roles = [cluster.worker(config, "w1"), cluster.beat(config)]
    time.sleep(5)
    assert all(role.process.alive for role in roles)
    cluster.redis.start()
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=60)
    assert counts.copied == 1


@pytest.mark.timeout(240)
def test_lost_again_and_again_while_jobs_run(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(300)])
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo=slow_skopeo(cluster.folder, 0.5),
    )
    workers = [cluster.worker(config, f"w{n}") for n in range(3)]
    cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.copied >= 5)
    for number in range(6):
        time.sleep(2)  # jobs run; what was written in the last second may be lost
        cluster.redis.kill()
        time.sleep(0.2 + 0.5 * number)
        cluster.redis.start()
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=120)
    assert (counts.copied, counts.failed, counts.open) == (300, 0, 0)
    assert all(worker.process.alive for worker in workers)
    # An uncaught traceback is no JSON line, so the whole log is looked at.
    assert not [worker for worker in workers if "Traceback" in worker.log.read_text()]


@pytest.mark.timeout(240)
def test_refused_writes_end_nobody_and_lose_nothing(cluster: Cluster, source: Registry, target: Registry) -> None:
    """Full, read-only, with too few replicas: 5 s each, while jobs run and end."""
    digests = push_many(source, "lib/app", [f"{n}" for n in range(120)])
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo=slow_skopeo(cluster.folder, 1),
    )
    roles = [cluster.worker(config, "w1", "-c", "8"), cluster.beat(config)]
    cluster.wait_for("t", lambda counts: counts.copied >= 8, timeout=60)
    client: Any = cluster.redis.client()
    for refuse, accept in (
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        (("CONFIG", "SET", "min-replicas-to-write", "3"), ("CONFIG", "SET", "min-replicas-to-write", "0")),
    ):
        client.execute_command(*refuse)
        # A worker whose connection begins now is refused, too.
        client.client_kill_filter(_type="normal", skipme=True)
        time.sleep(5)
        client.execute_command(*accept)
        before = cluster.wait_for("t", lambda counts: counts)
        cluster.wait_for("t", lambda counts, least=before.copied + 8: counts.copied > least or counts.done, timeout=90)  # type: ignore[misc]
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=90)
    assert (counts.copied, counts.failed, counts.open) == (120, 0, 0)
    assert {tag: target.digest("lib/app", tag) for tag in digests} == digests
    text = "".join(role.log.read_text() for role in roles)
    assert all(role.process.alive for role in roles) and "Traceback" not in text
    assert text.count("messages wait for Redis") < 10, "told once, and not at each try"
