"""A network that goes silent: nothing comes through, and nothing is closed."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator

import pytest

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.roles import Roles
from tests.lab.bad_line import BadLine
from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.registry import Registry

#: Seconds within which all roles have noticed and work again.
NOTICED = 30


@pytest.fixture
def line(cluster: Cluster) -> Iterator[BadLine]:
    with BadLine("127.0.0.1", cluster.redis.port) as line:
        yield line


def begin(cluster: Cluster, line: BadLine, source: Registry, target: Registry, *, images: int, seconds: float) -> None:
    """A worker and a scheduler whose only way to Redis is `line`; each image takes so many seconds."""
    push_many(source, "lib/app", [f"{number}" for number in range(images)])
    work = task("t", location(source), location(target), mapping("lib/app"))
    config = write_config(cluster.folder, work, skopeo=slow_skopeo(cluster.folder, seconds))
    cluster.worker(config, "w1", url=f"redis://{line.host}/0", DREGSY_GRACE="2")
    cluster.beat(config, url=f"redis://{line.host}/0")


@pytest.mark.timeout(120)
def test_connections_that_died_without_a_word_are_replaced(
    cluster: Cluster, line: BadLine, source: Registry, target: Registry
) -> None:
    begin(cluster, line, source, target, images=150, seconds=0.3)
    before = cluster.wait_for("t", lambda counts: counts.copied >= 10, timeout=40)
    line.fall_silent()
    line.speak()
    # All slots had a job each: what comes after those came by the connection that waits for messages.
    cluster.wait_for("t", lambda counts: counts.copied > before.copied + 2 * 16, timeout=NOTICED)
    roles = Roles(connect(cluster.redis.url))
    wait_until(lambda: [role.leads for role in roles.list("scheduler") if role.age < 6] == [True], NOTICED)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=40)
    assert (counts.copied, counts.failed) == (150, 0)


@pytest.mark.timeout(180)
def test_roles_that_reach_nothing_are_unhealthy_and_end_when_told(
    cluster: Cluster, line: BadLine, source: Registry, target: Registry
) -> None:
    begin(cluster, line, source, target, images=4, seconds=60)
    wait_until(lambda: cluster.redis.client().scard("dregsy:running:skopeo") == 4, 40)
    assert [health(cluster, role) for role in ("worker", "scheduler")] == [0, 0]
    line.fall_silent()
    wait_until(lambda: [health(cluster, role) for role in ("worker", "scheduler")] == [1, 1], 45, "the bad news")
    worker, scheduler = cluster.roles
    assert worker.process.alive and scheduler.process.alive
    worker.process.process.terminate()
    assert scheduler.process.stop(timeout=15) == 0
    assert worker.process.stop(timeout=2 + 8 + 10) == 0, "its grace time, and what signing off may take"
    assert "Traceback" not in worker.process.output() + scheduler.process.output()


def health(cluster: Cluster, role: str) -> int:
    environment = {**os.environ, "DREGSY_REDIS_URL": cluster.redis.url}
    host = ["--host", "lab" if role == "worker" else socket.gethostname()]
    return subprocess.run([BIN / "dregsy", "health", role, *host], env=environment, capture_output=True).returncode
