"""Four workers keep together to what a registry can bear. How well they find it: `make bench BENCH=levels`."""

from __future__ import annotations

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


def test_workers_keep_to_what_a_registry_bears_that_refuses_more(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_many(source, "lib/app", [f"{number}" for number in range(40)])
    crowd = Crowd("refuses", 8, 0.15)
    hub = make_proxy(target, faults=Faults(crowd=crowd))
    tasks = (task(t, location(source), location(hub.host), mapping("lib/app", to=f"copy/{t}")) for t in TASKS)
    config = write_config(cluster.folder, *tasks, relay="direct")
    for number in range(4):
        cluster.worker(config, f"w{number}")
    cluster.beat(config)
    wait_until(lambda: metrics(cluster).get("dregsy_registry_level"), 60, "a level")
    level = metrics(cluster)["dregsy_registry_level"]
    assert 2 <= level <= 64
    monkeypatch.setenv("DREGSY_REDIS_URL", cluster.redis.url)
    assert "refuses beyond" in dregsy("status").stdout
    assert crowd.refused < 100, "each of 480 requests would be refused, did all come at once again and again"
