"""A cluster of distributed roles on one Redis."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.overview import Overview
from dregsy_queue.ledger.report import RunCounts, RunReader
from dregsy_queue.serve.metrics import ClusterCollector
from tests.lab.dregsy import Role, beat, worker
from tests.lab.processes import wait_until
from tests.lab.redis import RedisServer


class Cluster:
    def __init__(self, folder: Path, redis: RedisServer) -> None:
        self.folder, self.redis = folder, redis
        self.reader = RunReader(connect(redis.url))
        self.roles: list[Role] = []

    def worker(self, config: Path, name: str, *options: str, url: str = "", **env: str) -> Role:
        """`url`: its way to Redis, where that is another than the tests' own."""
        self.roles.append(worker(self.folder, config, url or self.redis.url, name, *options, **env))
        return self.roles[-1]

    def beat(self, config: Path, *, url: str = "", **env: str) -> Role:
        self.roles.append(beat(self.folder, config, url or self.redis.url, **env))
        return self.roles[-1]

    def kill(self) -> None:
        """All its roles, at once."""
        for role in self.roles:
            role.process.kill()

    def wait_for(self, name: str, condition: Callable[[RunCounts], object], timeout: float = 120) -> RunCounts:
        def holds() -> object:
            counts = self.reader.newest(name)
            return counts and condition(counts)

        wait_until(holds, timeout, f"task {name}")
        counts = self.reader.newest(name)
        assert counts
        return counts

    def start(self, name: str) -> None:
        """Order a run now, as `dregsy run` does."""
        Orders(connect(self.redis.url)).run(name)

    def dues(self) -> dict[str, float]:
        """When each periodic task is due, as Unix time."""
        client: Any = self.redis.client()
        found = client.zrange(key("beat", "", "schedule"), 0, -1, withscores=True)
        return {member.removeprefix(key("beat", "")): due for member, due in found}

    def pass_time(self, seconds: float) -> None:
        """Every periodic task is due so many seconds earlier, as if they had passed; what is due now starts first."""
        client = self.redis.client()
        wait_until(lambda: all(due > client.time()[0] for due in self.dues().values()), what="the start of what is due")
        for task in self.dues():
            client.zincrby(key("beat", "", "schedule"), -seconds, key("beat", task))

    def copied(self) -> Counter[str]:
        """How often each target was said to be copied, by the workers' logs."""
        lines = [line for role in self.roles for line in role.lines()]
        return Counter(line["target"] for line in lines if line["msg"].startswith("copied"))


@contextlib.contextmanager
def own_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster with a Redis of its own, which keeps its files in `folder`; all of it ends with the context."""
    redis = RedisServer(folder / "redis").start()
    cluster = Cluster(folder, redis)
    try:
        yield cluster
    finally:
        cluster.kill()
        redis.kill()


def metrics(cluster: Cluster) -> dict[str, float]:
    """What `dregsy metrics` serves now, without labels: of several series the last."""
    registry = CollectorRegistry()
    registry.register(ClusterCollector(Overview(connect(cluster.redis.url))))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def slow_skopeo(folder: Path, seconds: float) -> dict[str, Any]:
    """A skopeo that waits before each copy, and further as long as there is a file ``hold`` in `folder`."""
    path = folder / "slow-skopeo"
    wait = f"sleep {seconds}; while [ -e '{folder}/hold' ]; do sleep 0.1; done"
    path.write_text(f'#!/bin/sh\ncase "$*" in *copy*) {wait};; esac\nexec skopeo "$@"\n')
    path.chmod(0o755)
    return {"binary": str(path)}
