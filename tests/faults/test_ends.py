"""Roles that are told to end: they do so within their grace, whatever Redis does."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.registry import Registry

#: of a worker after its grace, and of the tests' machine
ENDING = 8 + 7


def busy(cluster: Cluster, source: Registry, target: Registry) -> str:
    push_many(source, "lib/app", [f"{number}" for number in range(6)])
    slow = slow_skopeo(cluster.folder, 40)
    work = task("t", location(source), location(target), mapping("lib/app"), interval=30)
    cluster.worker(write_config(cluster.folder, work, skopeo=slow), "w1", DREGSY_GRACE="2")
    cluster.beat(cluster.folder / "dregsy.yaml")
    cluster.wait_for("t", lambda counts: counts.open == 6, timeout=40)
    wait_until(lambda: cluster.redis.client().scard("dregsy:running:skopeo") == 6, 20)
    return "t"


@pytest.mark.timeout(120)
def test_without_redis(cluster: Cluster, source: Registry, target: Registry) -> None:
    busy(cluster, source, target)
    worker, scheduler = cluster.roles
    cluster.redis.kill()
    time.sleep(2)
    worker.process.process.terminate()
    assert scheduler.process.stop(timeout=6) == 0
    assert worker.process.stop(timeout=2 + ENDING) == 0
    late = cluster.beat(cluster.folder / "dregsy.yaml")
    wait_until(lambda: any("waits for Redis" in line["msg"] for line in late.lines()), 20)
    assert late.process.stop(timeout=6) == 0
    assert "Traceback" not in "".join(role.process.output() for role in (*cluster.roles, late))


@pytest.mark.timeout(120)
def test_from_afar(cluster: Cluster, source: Registry, target: Registry) -> None:
    busy(cluster, source, target)
    worker, _ = cluster.roles
    environment = {**os.environ, "DREGSY_REDIS_URL": cluster.redis.url}
    subprocess.run([str(BIN / "celery"), "-A", "dregsy_queue", "control", "shutdown"], env=environment, check=False)
    wait_until(lambda: not worker.process.alive, 2 + ENDING, "the worker's end")
    counts = cluster.reader.newest("t")
    assert counts and (counts.failed, counts.open) == (0, 6), "its jobs wait for another worker"
    client = cluster.redis.client()
    assert client.scard("dregsy:running:skopeo") == 0 and client.zcard("dregsy:workers") == 0
