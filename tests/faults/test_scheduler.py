"""Schedulers that are killed."""

from __future__ import annotations

import time

import pytest

from tests.lab.cluster import Cluster
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.registry import Registry


def starts(cluster: Cluster) -> list[str]:
    """Tasks whose runs were started, by the logs of all schedulers."""
    return [line["task"] for role in cluster.roles for line in role.lines() if line["msg"] == "run started"]


@pytest.mark.timeout(200)
def test_a_standby_takes_over_and_keeps_the_beat(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1"])
    config = write_config(
        cluster.folder,
        task("often", location(source), location(target), mapping("lib/app", "often"), interval=30),
        task("once", location(source), location(target), mapping("lib/app", "once")),
    )
    cluster.worker(config, "w1")
    leader = cluster.beat(config)
    wait_until(lambda: starts(cluster).count("often") == 1)
    begun = [cluster.wait_for("often", lambda counts: counts.run).started]
    standby = cluster.beat(config)
    time.sleep(5)
    leader.process.kill()
    wait_until(lambda: any("Acquired lock" in line["msg"] for line in standby.lines()), timeout=15)
    wait_until(lambda: starts(cluster).count("often") == 2, timeout=60)
    assert starts(cluster).count("once") == 1
    # both gone and back: one-off tasks do not run again, and the interval goes on
    standby.process.kill()
    time.sleep(3)
    cluster.beat(config)
    wait_until(lambda: starts(cluster).count("often") == 3, timeout=60)
    begun.append(cluster.wait_for("often", lambda counts: counts.started > begun[0] + 31).started)
    assert begun[1] - begun[0] > 59, "two intervals, never less"
    assert starts(cluster).count("once") == 1


def test_a_scheduler_that_was_frozen_does_not_lead_beside_another(
    cluster: Cluster, source: Registry, target: Registry
) -> None:
    import signal

    push_many(source, "lib/app", ["1"])
    config = write_config(
        cluster.folder,
        task("often", location(source), location(target), mapping("lib/app", "often"), interval=30),
    )
    cluster.worker(config, "w1")
    frozen = cluster.beat(config)
    wait_until(lambda: starts(cluster).count("often") == 1)
    first = time.monotonic()
    frozen.process.process.send_signal(signal.SIGSTOP)
    standby = cluster.beat(config)
    wait_until(lambda: any("Acquired lock" in line["msg"] for line in standby.lines()), timeout=20)
    frozen.process.process.send_signal(signal.SIGCONT)
    wait_until(lambda: any(line["msg"] == "waiting to lead" for line in frozen.lines()), timeout=15)
    wait_until(lambda: starts(cluster).count("often") == 2, timeout=45)
    assert time.monotonic() - first > 28
    time.sleep(5)
    assert starts(cluster).count("often") == 2
