"""How much more do more workers copy, when both registries are 50 ms away? 1, 2, 4 and 8 of them, one slot each.

One slot each because all of them share this machine with both registries: 8 workers are to wait for the distance, not
for its cores.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from bench.rows import FAR
from tests.lab.cluster import own_cluster
from tests.lab.distance import DelayedRelay
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.registry import Registry

WORKERS, SLOTS, IMAGES = (1, 2, 4, 8), 1, 160
#: What is asked of most workers, in times one.
LEAST = 6


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        source = Registry(Path(name) / "source").start()
        try:
            push_many(source, "lib/app", [f"{n}" for n in range(IMAGES)])
            one = 0.0
            for workers in WORKERS:
                rate = _measure(Path(name) / str(workers), source, workers)
                one = one or rate
                verdict = ("ok" if rate / one >= LEAST else "SLOW") if workers == WORKERS[-1] else ""
                print(f"{workers} workers: {rate:5.1f} images/s, {rate / one:.1f} times one {verdict}", flush=True)
        finally:
            source.stop()


def _measure(folder: Path, source: Registry, workers: int) -> float:
    """Images per second, from the run's start to its end by Redis' clock."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        target = Registry(folder / "target").start()
        stack.callback(target.stop)
        far = [stack.enter_context(DelayedRelay("127.0.0.1", found.port, FAR / 2)).host for found in (source, target)]
        sync = task("far", location(far[0]), location(far[1]), mapping("lib/app"))
        config = write_config(folder, sync, relay="direct")
        cluster = stack.enter_context(own_cluster(folder))
        for number in range(workers):
            cluster.worker(config, f"w{number}", f"--concurrency={SLOTS}")
        wait_until(lambda: cluster.redis.client().zcard("dregsy:workers") == workers, timeout=120, what="the workers")
        cluster.beat(config)
        counts = cluster.wait_for("far", lambda counts: counts.done, timeout=300)
        return counts.copied / counts.seconds
