"""Four workers find together how many requests a registry bears, and find out when it bears more."""

from __future__ import annotations

import os

import pytest

from tests.conftest import MakeProxy
from tests.lab.cluster import Cluster, metrics
from tests.lab.crowd import Crowd
from tests.lab.dregsy import dregsy, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.proxy import Faults
from tests.lab.registry import Registry

TASKS = [f"t{number}" for number in range(4)]


@pytest.mark.skipif(
    os.environ.get("LEVELS") != "1",
    reason="workers of a busy machine do not measure registries: LEVELS=1, where nothing else runs",
)
@pytest.mark.timeout(420)
def test_four_workers_find_the_best_number_of_requests_and_find_out_when_it_is_lifted(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_many(source, "lib/app", [f"{number}" for number in range(500)])
    crowd = Crowd("waits", 8, 0.15)
    hub = make_proxy(target, faults=Faults(crowd=crowd))
    tasks = (task(t, location(source), location(hub.host), mapping("lib/app", to=f"copy/{t}")) for t in TASKS)
    config = write_config(cluster.folder, *tasks, relay="direct")
    for number in range(4):
        cluster.worker(config, f"w{number}")
    cluster.beat(config)
    wait_until(lambda: crowd.under_way(1) > 16, what="more than is good for it: nobody knows it yet")

    def level() -> float:
        return metrics(cluster).get("dregsy_registry_level", 0.0)

    wait_until(lambda: 6 <= crowd.under_way(5) <= 10 and 6 <= level() <= 11, 180, "the best number, for some seconds")
    monkeypatch.setenv("DREGSY_REDIS_URL", cluster.redis.url)
    assert "slower beyond" in dregsy("status").stdout
    crowd.best = 60
    wait_until(lambda: crowd.under_way(3) > 16, 120, "more requests than before")
    assert not any("too many requests" in line["msg"] for role in cluster.roles for line in role.lines())
