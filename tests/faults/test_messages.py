"""Messages nobody understands, and clocks nobody should trust."""

from __future__ import annotations

import ctypes.util
import time
from pathlib import Path

import pytest

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.overview import Overview
from dregsy_queue.ledger.report import RunCounts
from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import ROOT, wait_until
from tests.lab.registry import Registry


def test_poison_in_the_queue_stops_nobody(cluster: Cluster, source: Registry, target: Registry) -> None:
    from celery import Celery

    push_many(source, "lib/app", ["1", "2", "3"])
    config = write_config(cluster.folder, task("t", location(source), location(target), mapping("lib/app")))
    worker = cluster.worker(config, "w1")
    client = cluster.redis.client()
    app = Celery(broker=cluster.redis.url)
    for queue in ("dregsy.plan", "dregsy.skopeo"):
        app.send_task("no.such.task", queue=queue)
        app.send_task("dregsy.transfer", args=[99, "1:x", 1], queue=queue)
        app.send_task("dregsy.transfer", args=[1, "1:x", 1], queue=queue)
        app.send_task("dregsy.transfer", args=["what", {"is": "this"}], kwargs={"a": 1}, queue=queue)
        app.send_task("dregsy.plan", args=[], queue=queue)
        with app.producer_pool.acquire() as producer:
            for body in ("not JSON", '{"a": ', "[1, 2]", "\x1b[31m"):
                producer.publish(
                    body,
                    routing_key=queue,
                    content_type="application/json",
                    content_encoding="utf-8",
                    headers={"task": "dregsy.transfer", "id": "x", "lang": "py", "argsrepr": "()"},
                    serializer=None,
                )
            producer.publish("who am I", routing_key=queue, content_type="text/plain", content_encoding="utf-8")
    wait_until(lambda: not client.llen("dregsy.plan") and not client.llen("dregsy.skopeo"), timeout=30)
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=40)
    assert (counts.copied, counts.failed) == (3, 0) and worker.process.alive
    assert any("not understood" in line["msg"] for line in worker.lines())
    assert any("version 99" in line["msg"] for line in worker.lines())


@pytest.mark.parametrize("version", [0, 2])
def test_messages_of_another_release_are_sent_anew(
    cluster: Cluster, source: Registry, target: Registry, version: int
) -> None:
    """A scheduler one release older or newer: the worker leaves its messages, and asks anew for their jobs."""
    push_many(source, "lib/app", ["1", "2", "3"])
    names = ["t0", "t1", "t2"]
    tasks = [task(name, location(source), location(target), mapping("lib/app", name)) for name in names]
    config = write_config(cluster.folder, *tasks)
    other = cluster.folder / "other-release"
    other.mkdir()
    (other / "sitecustomize.py").write_text(
        f"from dregsy_queue import dispatch\ndispatch.MESSAGE_VERSION = {version}\n"
    )
    worker = cluster.worker(config, "w1")
    overview = Overview(connect(cluster.redis.url))
    wait_until(overview.workers, timeout=60, what="the worker")
    cluster.beat(config, PYTHONPATH=str(other))
    for name in names:
        counts = cluster.wait_for(name, lambda counts: counts.done, timeout=90)
        assert (counts.copied, counts.failed) == (3, 0)
    lines = worker.lines()
    assert any(f"message of version {version} is left to other workers" in line["msg"] for line in lines)
    assert any("reached no worker in time" in line["msg"] for line in lines)


def faketime() -> str | None:
    """libfaketime, where it is installed or was unpacked by set-up."""
    for folder in (Path("/usr/lib"), ROOT / ".cache" / "tools" / "usr" / "lib"):
        for found in folder.glob("*/faketime/libfaketime.so.1"):
            return str(found)
    return ctypes.util.find_library("faketime")


@pytest.mark.timeout(200)
@pytest.mark.parametrize("offset", ["+600s", "-600s"])
def test_a_worker_with_a_wrong_clock(cluster: Cluster, source: Registry, target: Registry, offset: str) -> None:
    library = faketime()
    if library is None:
        pytest.skip("libfaketime is not installed: scripts/setup unpacks it")
    push_many(source, "lib/app", [f"{n}" for n in range(80)])
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo=slow_skopeo(cluster.folder, 0.3),
        registries={source.host: {"max-concurrent": 6, "transfers": "40/5s", "requests": "100/s"}},
    )
    wrong = cluster.worker(
        config, "wrong", LD_PRELOAD=library, FAKETIME=offset, FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1"
    )
    cluster.worker(config, "right")
    overview = Overview(connect(cluster.redis.url))
    wait_until(lambda: len(overview.workers()) == 2, timeout=60, what="both workers")
    cluster.beat(config)
    stamp = time.mktime(time.strptime(wrong.lines()[0]["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert abs(abs(stamp - time.time()) - 600) < 60, "its clock is wrong indeed"
    running = []

    def done(counts: RunCounts) -> bool:
        running.append(len(cluster.reader.running_transfers()))
        return counts.done

    counts = cluster.wait_for("t", done)
    assert (counts.copied, counts.failed) == (80, 0) and 1 < max(running) <= 6
    assert max(cluster.copied().values()) == 1
    assert any(line["msg"].startswith("copied") for line in wrong.lines())
    assert not any("taken for dead" in line["msg"] for role in cluster.roles for line in role.lines())
