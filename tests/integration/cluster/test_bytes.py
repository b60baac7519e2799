"""How far a transfer is, while it runs: in status, metrics, and on the page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import requests

from dregsy_queue.ledger.report import RunningJob
from tests.conftest import MakeProxy
from tests.integration.cluster.test_verbs import Operator
from tests.lab.cluster import Cluster, metrics
from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_image
from tests.lab.processes import ManagedProcess, free_port, wait_until
from tests.lab.proxy import Faults
from tests.lab.registry import Registry

MIB = 1024 * 1024


@pytest.mark.parametrize("relay", ["direct", "skopeo"])
def test_bytes_of_a_running_transfer(
    relay: str, cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    push_image(source, "big", "1", size=16 * MIB, layers=1)
    slow = make_proxy(source, faults=Faults(rate=256 * 1024))
    config = write_config(
        cluster.folder, task("big", location(slow.host), location(target), mapping("big")), relay=relay
    )
    cluster.worker(config, "w1")
    cluster.beat(config)

    def running() -> RunningJob | None:
        return next((job for job in cluster.reader.running_transfers() if job.bytes and job.rate), None)

    def more_than(number: int) -> RunningJob | None:
        found = running()
        return found if found and found.bytes and found.bytes > number else None

    wait_until(running, timeout=60, what="the first bytes to be told")
    first = running()
    assert first and first.bytes and 0 < first.bytes < 16 * MIB
    seen = first.bytes
    wait_until(lambda: more_than(seen), timeout=60, what="more bytes to be told")

    operator = Operator(cluster)
    (shown,) = operator.status()["running"]
    assert seen < shown["bytes"] < 16 * MIB and 0 < shown["bytes_per_second"] < 4 * MIB
    text = operator.does("status")
    assert "B/s  w1@lab" in text and "unknown bytes" not in text
    assert metrics(cluster).get("dregsy_running_transfers_bytes", 0) > seen
    assert metrics(cluster).get("dregsy_running_transfers_bytes_per_second", 0) > 0
    assert "B/s</td>" in _page(cluster)

    slow.faults.rate = 0
    ended = cluster.wait_for("big", lambda counts: counts.done)
    assert ended.copied == 1 and ended.sent > 16 * MIB
    assert metrics(cluster).get("dregsy_running_transfers_bytes", 0) == 0, "it runs no more"


def _page(cluster: Cluster) -> str:
    port = free_port()
    environment = {**os.environ, "DREGSY_REDIS_URL": cluster.redis.url}
    log = Path(cluster.folder) / "page"
    page = ManagedProcess([str(BIN / "dregsy"), "web", "--port", str(port)], log, env=environment)
    try:
        wait_until(lambda: "the page is at" in page.output(), what="the page")
        return requests.get(f"http://127.0.0.1:{port}", timeout=10).text
    finally:
        page.stop()
