"""Registries that are flaky, slow, away, full, or that let nobody in for a moment."""

from __future__ import annotations

import time

import pytest
from aiohttp import web

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.plan_waits import PlanWaits
from tests.conftest import MakeProxy
from tests.lab.cluster import Cluster
from tests.lab.dregsy import auth, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.proxy import Faults
from tests.lab.registry import ACCEPT, Registry


@pytest.mark.timeout(240)
@pytest.mark.parametrize("faults", [{"unavailable": 0.2}, {"cut": 0.3}])
def test_a_flaky_source(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy, faults: dict[str, float]
) -> None:
    digests = push_many(source, "lib/app", [f"{n}" for n in range(20)], size=100_000)
    flaky = make_proxy(source, faults=Faults(unavailable=faults.get("unavailable", 0), cut=faults.get("cut", 0)))
    config = write_config(cluster.folder, task("t", location(flaky.host), location(target), mapping("lib/app")))
    cluster.worker(config, "w1", DREGSY_MAX_ATTEMPTS="20", DREGSY_BACKOFF="0.3")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=200)
    assert (counts.copied, counts.failed) == (20, 0)
    assert {tag: target.digest("lib/app", tag) for tag in digests} == digests
    assert max(job.attempts for job in cluster.reader.results(counts.run)) > 1


@pytest.mark.timeout(120)
def test_a_slow_source(cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(16)])
    slow = make_proxy(source, faults=Faults(latency=5))
    config = write_config(cluster.folder, task("t", location(slow.host), location(target), mapping("lib/app")))
    cluster.worker(config, "w1")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=100)
    assert (counts.copied, counts.failed) == (16, 0)
    assert {job.attempts for job in cluster.reader.results(counts.run)} == {1}


@pytest.mark.timeout(200)
def test_a_source_that_is_away_for_a_while(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(40)])
    gone = make_proxy(source, faults=Faults(latency=0.3))
    config = write_config(
        cluster.folder,
        task("early", location(gone.host), location(target), mapping("lib/app")),
        task("late", location(gone.host), location(target), mapping("lib/app", "late"), interval=3600),
    )
    cluster.worker(config, "w1", "--concurrency", "4")
    cluster.beat(config, DREGSY_RUN="early")
    cluster.wait_for("early", lambda counts: counts.copied >= 8)
    gone.refuse(30)
    counts = cluster.wait_for("early", lambda counts: counts.done, timeout=150)
    assert (counts.copied, counts.failed) == (40, 0)


@pytest.mark.timeout(120)
def test_planning_while_the_source_is_away(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(20)])
    gone = make_proxy(source)
    config = write_config(cluster.folder, task("t", location(gone.host), location(target), mapping("lib/app")))
    gone.refuse(15)
    time.sleep(0.5)
    cluster.worker(config, "w1")
    cluster.beat(config)
    waits = PlanWaits(connect(cluster.redis.url))
    cluster.wait_for("t", lambda _: waits.all())
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=100)
    assert (counts.copied, counts.failed) == (20, 0)
    assert not waits.all(), "planning is over, and status still says what it waits for"


@pytest.mark.timeout(120)
def test_tokens_that_end_in_the_middle(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(40)], size=50_000)
    hub = make_proxy(source, users={"bob": "secret-word"}, anonymous=False)
    blobs = 0

    async def revoke(request: web.Request) -> web.StreamResponse | None:
        nonlocal blobs
        if "/blobs/" in request.path:
            blobs += 1
            if blobs % 15 == 0:
                hub.tokens.clear()
        return None

    hub.faults.hook = revoke
    config = write_config(
        cluster.folder,
        task("t", location(hub.host, auth=auth("bob", "secret-word")), location(target), mapping("lib/app")),
    )
    cluster.worker(config, "w1", "--concurrency", "2")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=100)
    assert (counts.copied, counts.failed) == (40, 0)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("status", [500, 507])
def test_a_target_that_is_full(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy, status: int
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(6)])
    full = make_proxy(target, faults=Faults(answers=[("(POST|PUT|PATCH) .*/blobs/", status, b"no space left")]))
    config = write_config(cluster.folder, task("t", location(source), location(full.host), mapping("lib/app")))
    cluster.worker(config, "w1", DREGSY_MAX_ATTEMPTS="2")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=60)
    assert (counts.copied, counts.failed) == (0, 6)
    for job in cluster.reader.results(counts.run):
        assert job.attempts == 2 and job.error.startswith("skopeo: ") and str(status) in job.error


@pytest.mark.timeout(120)
def test_a_target_that_lies(cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy) -> None:
    push_many(source, "lib/app", ["1"])
    other = push_many(source, "lib/other", ["1"])["1"]
    url, headers = f"{source.url}/v2/lib/other/manifests/1", {"Accept": ACCEPT}
    manifest = source.session.get(url, headers=headers)

    async def lie(request: web.Request) -> web.StreamResponse | None:
        if request.method in ("HEAD", "GET") and "/manifests/" in request.path:
            told = {"Docker-Content-Digest": other, "Content-Type": manifest.headers["Content-Type"]}
            return web.Response(headers=told, body=manifest.content)
        return None

    liar = make_proxy(target, faults=Faults(hook=lie))
    config = write_config(cluster.folder, task("t", location(source), location(liar.host), mapping("lib/app")))
    cluster.worker(config, "w1", DREGSY_MAX_ATTEMPTS="2")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=60)
    assert counts.failed == 1
    (job,) = cluster.reader.results(counts.run)
    assert other in job.error and "somebody else" in job.error
