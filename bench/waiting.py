"""Do 10,000 jobs that wait for one registry slow down the jobs of another?

Three pairs: 200 images on an empty ledger, and the same beside 10,000 jobs of a paused registry.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from bench import planned_run
from dregsy_queue.config.load import load
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.registry_limits import RegistryLimiter
from tests.lab.cluster import own_cluster
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry

WAITING, IMAGES, PAIRS = 10_000, 200, 3
PAUSED = "paused.example"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        source = Registry(folder / "source").start()
        try:
            push_many(source, "lib/app", [f"{n}" for n in range(IMAGES)])
            alone, beside = [], []
            for pair in range(PAIRS):
                alone.append(_measure(folder / f"alone{pair}", source, waiting=False))
                beside.append(_measure(folder / f"beside{pair}", source, waiting=True))
                print(
                    f"  pair {pair + 1}: alone {alone[-1]:.1f} images/s, beside waiting jobs {beside[-1]:.1f}",
                    flush=True,
                )
            ratio = statistics.median(b / a for a, b in zip(alone, beside, strict=True))
            print(f"  throughput beside {WAITING} waiting jobs: {ratio:.2f} of that on an empty ledger (median)")
        finally:
            source.stop()


def _measure(folder: Path, source: Registry, *, waiting: bool) -> float:
    """Images per second."""
    folder.mkdir()
    target = Registry(folder / "target").start()
    config = write_config(
        folder,
        task("held", location(PAUSED), location(target), mapping("lib/none")),
        task("free", location(source), location(target), mapping("lib/app")),
    )
    with contextlib.ExitStack() as stack:
        stack.callback(target.stop)
        cluster = stack.enter_context(own_cluster(folder))
        if waiting:
            _fill(folder, config, cluster.redis)
        worker = cluster.worker(config, "w1")
        wait_until(lambda: cluster.redis.client().zcard("dregsy:workers"), what="the worker")
        before = psutil.Process(worker.process.pid).memory_info().rss
        cluster.beat(config, DREGSY_RUN="free")
        counts = cluster.wait_for("free", lambda counts: counts.done)
        assert counts.copied == IMAGES, counts
        if waiting:
            grown = (psutil.Process(worker.process.pid).memory_info().rss - before) / 2**20
            print(f"    worker grew by {grown:.1f} MiB over the run, {counts.copied} copied", flush=True)
        return IMAGES / (counts.ended - counts.started)


def _fill(folder: Path, config: Path, redis: RedisServer) -> None:
    """Put jobs of the paused registry on the ledger, as its planner would."""
    connection = connect(redis.url)
    (held,) = [found for found in load(config).config.tasks if found.name == "held"]
    before = connection.info("memory")["used_memory"]
    started = time.monotonic()
    planned_run.plan(connection, held, WAITING, "skopeo", lambda: RegistryLimiter(connection).pause(PAUSED, 86400))
    seconds = time.monotonic() - started
    used = (connection.info("memory")["used_memory"] - before) / WAITING
    print(f"    {WAITING} jobs enqueued in {seconds:.1f} s, {used:.0f} bytes of Redis each", flush=True)
    connection.close()
