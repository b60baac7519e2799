"""Do four workers together find how many requests a registry bears (8), and find out when it bears more (24)?

The registry's proxy answers so many well; those beyond wait in line, slow all down, are refused, or fail.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import get_args

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.keys import key
from tests.lab.cluster import own_cluster
from tests.lab.crowd import Crowd, Kind
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.proxy import Faults, HubProxy
from tests.lab.registry import Registry

WORKERS, TASKS, IMAGES = 4, 4, 1500
#: Seconds of an answer, where no more are under way than the registry bears.
ANSWER = 0.2
BEST, LIFTED = 8, 24
#: Seconds in which the best number is to be found, for which it is then counted, and until a lift is to be found out.
FOUND, KEPT, FOUND_OUT = 60, 30, 120
#: Requests under way on average, when it is found.
LEAST, MOST = 6, 10


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        source = Registry(Path(name) / "source").start()
        try:
            push_many(source, "lib/app", [f"{number}" for number in range(IMAGES)], size=512)
            for kind in get_args(Kind):
                _measure(Path(name) / kind, source, kind)
        finally:
            source.stop()


def _measure(folder: Path, source: Registry, kind: Kind) -> None:
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        target = Registry(folder / "target").start()
        stack.callback(target.stop)
        crowd = Crowd(kind, BEST, ANSWER)
        hub = HubProxy(target, faults=Faults(crowd=crowd)).start()
        stack.callback(hub.stop)
        cluster = stack.enter_context(own_cluster(folder))
        tasks = [
            task(f"t{n}", location(source), location(hub.host), mapping("lib/app", to=f"copy/app{n}"))
            for n in range(TASKS)
        ]
        config = write_config(folder, *tasks, relay="direct")
        for number in range(WORKERS):
            cluster.worker(config, f"w{number}")
        cluster.beat(config)
        wait_until(lambda: crowd.under_way(1) > 1, timeout=60, what="the first requests")
        time.sleep(FOUND)
        earlier = crowd.refused
        time.sleep(KEPT)
        kept = crowd.under_way(KEPT)
        later = crowd.refused - earlier
        pauses = sum("too many requests" in line["msg"] for role in cluster.roles for line in role.lines())
        state = json.loads(connect(cluster.redis.url).hget(key("level", hub.host), "state") or "{}")
        crowd.best = LIFTED
        seconds = _seconds_until_more(crowd)
        print(
            f"  {kind:8}{kept:5.1f} under way {'ok' if LEAST <= kept <= MOST else 'MISSED'}; a lift found out in "
            + (f"{seconds:.0f} s ok" if seconds <= FOUND_OUT else f"more than {FOUND_OUT} s MISSED")
            + (f"; {earlier} refused before, {later} in this time" if earlier else "")
            + (f"; {pauses} pauses, {state.get('shrinks', 0)} times fewer" if kind == "refuses" else ""),
            flush=True,
        )


def _seconds_until_more(crowd: Crowd) -> float:
    """Until two thirds of what it bears now were under way for some seconds."""
    began = time.monotonic()
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: crowd.under_way(4) >= LIFTED * 2 / 3, FOUND_OUT + 1, "more requests under way")
    return time.monotonic() - began
