"""The direct relay on bad days: killed workers, flaky sources, a full target."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from aiohttp import web

from tests.conftest import MakeProxy
from tests.lab.cluster import Cluster
from tests.lab.content import big_blob, content_of, push_layers
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.proxy import Faults
from tests.lab.registry import Registry

MIB = 2**20


@pytest.mark.timeout(120)
def test_a_worker_killed_in_the_middle_of_a_blob(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    """Another worker that wants the same blob waits for it, and moves it when the lease of the killed one has ended."""
    layer, name = big_blob(4 * MIB)
    digests = {name: push_layers(source, name, "1", layer) for name in ("lib/app", "lib/more")}
    begun = 0

    async def slowly_at_first(request: web.Request) -> web.StreamResponse | None:
        nonlocal begun
        if name not in request.path:
            return None
        begun += 1
        if begun > 1:
            return None
        response = web.StreamResponse(headers={"Content-Length": str(len(layer))})
        await response.prepare(request)
        await response.write(layer[:MIB])
        await asyncio.sleep(60)
        return response

    proxy = make_proxy(source, faults=Faults(hook=slowly_at_first))
    config = write_config(
        cluster.folder,
        task("t", location(proxy.host), location(target), *(mapping(name) for name in digests)),
        relay="direct",
    )
    first = cluster.worker(config, "w1", "--concurrency=1")
    cluster.beat(config)
    wait_until(lambda: begun, what="the blob")
    cluster.worker(config, "w2")
    wait_until(lambda: len(cluster.reader.running_transfers()) == 2, what="the other image to be taken by w2")
    os.kill(first.process.pid, signal.SIGKILL)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=90)
    assert (counts.copied, counts.failed) == (2, 0)
    assert begun == 2, "what the first did not bring to its end, and no more"
    for repository, digest in digests.items():
        assert content_of(target, repository, "1") == content_of(source, repository, digest)


@pytest.mark.timeout(120)
def test_a_flaky_source(cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy) -> None:
    digests = push_many(source, "lib/app", [f"{n}" for n in range(40)], size=100_000)
    flaky = make_proxy(source, faults=Faults(unavailable=0.2, cut=0.3))
    config = write_config(
        cluster.folder, task("t", location(flaky.host), location(target), mapping("lib/app")), relay="direct"
    )
    cluster.worker(config, "w1", DREGSY_MAX_ATTEMPTS="20", DREGSY_BACKOFF="0.3")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=100)
    assert (counts.copied, counts.failed) == (40, 0)
    assert {tag: target.digest("lib/app", tag) for tag in digests} == digests


@pytest.mark.timeout(120)
def test_a_target_that_is_full(cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy) -> None:
    push_many(source, "lib/app", ["1", "2"])
    full = make_proxy(target, faults=Faults(answers=[("(PUT|PATCH) .*/blobs/", 507, b"no space left")]))
    config = write_config(
        cluster.folder, task("t", location(source), location(full.host), mapping("lib/app")), relay="direct"
    )
    cluster.worker(config, "w1", DREGSY_MAX_ATTEMPTS="2", DREGSY_BACKOFF="0.2")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=100)
    assert (counts.copied, counts.failed) == (0, 2)
    assert all("507" in job.error for job in cluster.reader.results(counts.run))
