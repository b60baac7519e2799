"""What one worker has put at a target, another worker mounts into a second repository."""

from __future__ import annotations

import signal

import pytest

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.orders import Orders
from tests.lab.cluster import Cluster
from tests.lab.content import push_layers
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.registry import Registry

LAYERS = [bytes([n]) * 30_000 for n in range(3)]
RELAYS = ("direct", "skopeo")


@pytest.mark.timeout(120)
def test_a_second_repository_is_mounted_by_another_worker(cluster: Cluster, source: Registry, target: Registry) -> None:
    for relay in RELAYS:
        push_layers(source, f"{relay}/one", "1", *LAYERS, relay.encode())
        push_layers(source, f"{relay}/two", "1", relay.encode(), *LAYERS)

    def tasks(number: str) -> list[dict[str, object]]:
        ends = location(source), location(target)
        return [task(f"{relay}-{number}", *ends, mapping(f"{relay}/{number}"), relay=relay) for relay in RELAYS]

    orders = Orders(connect(cluster.redis.url))
    for relay in RELAYS:
        orders.hold("task", f"{relay}-two", 0, "")
    config = write_config(cluster.folder, *tasks("one"), *tasks("two"))
    first = cluster.worker(config, "w1")
    cluster.beat(config)
    for relay in RELAYS:
        cluster.wait_for(f"{relay}-one", lambda counts: counts.done and counts.copied == 1)
    first.process.stop(signal.SIGTERM)
    cluster.worker(config, "w2")
    for relay in RELAYS:
        orders.release("task", f"{relay}-two")
        cluster.wait_for(f"{relay}-two", lambda counts: counts.done and counts.copied == 1)
        came = [one for one in target.requests() if one.path.startswith(f"/v2/{relay}/two/blobs/uploads/")]
        assert {(one.method, one.status) for one in came} == {("POST", 201)}, relay
        # config, own layer, and three in common
        assert len(came) == 5 and all(one.agent.startswith("dregsy_queue") for one in came), relay
