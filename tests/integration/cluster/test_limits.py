"""Limits over many worker processes, seen from the registry."""

from __future__ import annotations

import random
import time
from bisect import bisect_left
from functools import partial

import pytest

from dregsy_queue.ledger.report import RunCounts
from tests.conftest import MakeProxy
from tests.lab.cluster import Cluster
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.images import push_image, push_many
from tests.lab.processes import wait_until
from tests.lab.proxy import Faults, HubProxy, Quota
from tests.lab.registry import Registry


def most_in_a_window(times: list[float], window: float) -> int:
    """The most of `times` that any window of so many seconds holds."""
    times = sorted(times)
    return max((index + 1 - bisect_left(times, moment - window) for index, moment in enumerate(times)), default=0)


def pulls(hub: HubProxy, *, refused: bool = False) -> list[float]:
    """When relays asked for manifests."""
    return [
        entry.time
        for entry in hub.log
        if entry.method == "GET" and "/manifests/" in entry.path and (entry.status == 429) is refused
    ]


def _has_copied(number: int, counts: RunCounts) -> bool:
    return counts.copied > number


@pytest.mark.timeout(400)
def test_max_concurrent_holds_over_eight_workers_that_come_and_go(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    repositories = [f"lib/app{n}" for n in range(120)]
    for repository in repositories:
        push_image(source, repository, "1")
    hub = make_proxy(source, faults=Faults(latency=0.02))
    config = write_config(
        cluster.folder,
        task(
            "t", location(hub.host), location(target), *(mapping(repository, tags=["1"]) for repository in repositories)
        ),
        registries={hub.host: {"max-concurrent": 3}},
    )
    workers = [cluster.worker(config, f"w{n}") for n in range(8)]
    cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.copied > 20)
    choice = random.Random(5)
    for copied in (40, 60):
        victim = choice.choice([worker for worker in workers if worker.process.alive])
        victim.process.kill()
        workers.append(cluster.worker(config, f"new{copied}"))
        cluster.wait_for("t", partial(_has_copied, copied), timeout=60)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=300)
    assert (counts.copied, counts.failed) == (120, 0)
    assert hub.most_active == 3, "never more than three, and three were reached"
    assert all(source.digest(name, "1") == target.digest(name, "1") for name in repositories)


@pytest.mark.timeout(400)
def test_no_window_holds_more_transfers_than_allowed(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(100)])
    hub = make_proxy(source, quota=Quota(30, 10, headers=False))
    config = write_config(
        cluster.folder,
        task("t", location(hub.host), location(target), mapping("lib/app")),
        registries={hub.host: {"transfers": "30/10s"}},
    )
    for number in range(3):
        cluster.worker(config, f"w{number}")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=150)
    assert counts.copied == 100
    assert most_in_a_window(pulls(hub), 10) <= 30 and len(pulls(hub)) == 100
    assert pulls(hub, refused=True) == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [1, 3])
def test_an_unknown_quota_is_learned_from_the_registry(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy, workers: int
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(100)])
    hub = make_proxy(source, quota=Quota(20, 6), users={})
    config = write_config(cluster.folder, task("t", location(hub.host), location(target), mapping("lib/app")))
    for number in range(workers):
        cluster.worker(config, f"w{number}")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=150)
    assert (counts.copied, counts.failed) == (100, 0)
    pauses = sum(line["msg"].startswith("too many requests") for role in cluster.roles for line in role.lines())
    refused = pulls(hub, refused=True)
    assert len(refused) <= 2 * pauses, (len(refused), pauses)


@pytest.mark.timeout(300)
def test_a_registry_that_only_refuses_is_left_alone_and_tried_by_one(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(40)])
    quota = Quota(0, 4, retry_after=False, headers=False)
    quota.pulls.append(time.monotonic() + 1000)
    hub = make_proxy(source, quota=quota)
    config = write_config(cluster.folder, task("t", location(hub.host), location(target), mapping("lib/app")))
    for number in range(2):
        cluster.worker(config, f"w{number}", "--concurrency", "2", DREGSY_MAX_ATTEMPTS="1")
    cluster.beat(config)
    wait_until(lambda: len(pulls(hub, refused=True)) >= 4, timeout=60)
    quota.limit = 1000
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=150)
    assert (counts.copied, counts.failed) == (40, 0), "a refusal is no failed attempt"


@pytest.mark.timeout(300)
def test_after_all_workers_were_killed_one_frees_what_they_held(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(30)])
    hub = make_proxy(source, faults=Faults(latency=0.3))
    config = write_config(
        cluster.folder,
        task("t", location(hub.host), location(target), mapping("lib/app")),
        registries={"*": {"max-concurrent": 4}},
    )
    workers = [cluster.worker(config, f"w{n}") for n in range(2)]
    cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.copied >= 4)
    for worker in workers:
        worker.process.kill()
    cluster.worker(config, "last")
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=120)
    assert (counts.copied, counts.failed) == (30, 0)
    assert hub.most_active <= 4
    assert cluster.redis.client().keys("dregsy:using:*") == []


@pytest.mark.timeout(300)
def test_planning_keeps_the_rate_of_requests(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    repositories = [f"lib/app{n}" for n in range(50)]
    for repository in repositories:
        push_many(source, repository, ["1", "2"])
    hub = make_proxy(source, faults=Faults(unavailable=0.05))
    tasks = [
        task(f"t{n}", location(hub.host), location(target), *(mapping(name) for name in repositories[n::2]))
        for n in range(2)
    ]
    config = write_config(cluster.folder, *tasks, registries={hub.host: {"requests": "20/s"}})
    for number in range(3):
        cluster.worker(config, f"w{number}")
    cluster.beat(config)
    for n in range(2):
        counts = cluster.wait_for(f"t{n}", lambda counts: counts.done, timeout=120)
        assert (counts.copied, counts.failed) == (50, 0)
    asked = [entry.time for entry in hub.log if entry.agent.startswith("dregsy_queue")]
    assert len(asked) >= 150 and hub.count("HEAD", status=503) + hub.count("GET", status=503) > 0
    assert most_in_a_window(asked, 1.0) <= 20
