"""Schedulers that are killed."""

from __future__ import annotations

import signal
import time

import pytest

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.roles import Roles
from tests.lab.cluster import Cluster
from tests.lab.dregsy import Role, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.registry import Registry


def starts(cluster: Cluster) -> list[str]:
    """Tasks whose runs were started, by the logs of all schedulers."""
    return [line["task"] for role in cluster.roles for line in role.lines() if line["msg"] == "run started"]


def said(role: Role, text: str) -> bool:
    return any(text in line["msg"] for line in role.lines())


def kill(cluster: Cluster, leader: Role) -> None:
    leader.process.kill()
    forget_what_was_told(cluster)


def forget_what_was_told(cluster: Cluster) -> None:
    """Who leads next tells its schedule anew."""
    cluster.redis.client().delete(key("scheduled"))


def wait_for_leader(cluster: Cluster, role: Role, timeout: float = 15) -> None:
    """It leads, and has set up the schedule: what a test changes there from now on stays."""
    wait_until(lambda: said(role, "Acquired lock"), timeout)
    wait_until(Roles(connect(cluster.redis.url)).scheduled, what="its schedule")


@pytest.mark.timeout(200)
def test_a_standby_takes_over_and_keeps_the_beat(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1"])
    config = write_config(
        cluster.folder,
        task("often", location(source), location(target), mapping("lib/app", "often"), interval=3600),
        task("once", location(source), location(target), mapping("lib/app", "once")),
    )
    cluster.worker(config, "w1")
    leader = cluster.beat(config)
    wait_until(lambda: starts(cluster).count("often") == 1)
    wait_until(lambda: cluster.dues().get("often", 0) > cluster.redis.client().time()[0])
    beat = pytest.approx(cluster.dues(), abs=0.001)
    standby = cluster.beat(config)
    wait_until(lambda: said(standby, "waiting to lead"))
    kill(cluster, leader)
    wait_for_leader(cluster, standby)
    cluster.wait_for("often", lambda counts: counts.done)
    cluster.pass_time(3600)
    wait_until(lambda: starts(cluster).count("often") == 2)
    wait_until(lambda: cluster.dues() == beat, what="the next beat, an interval later")
    assert starts(cluster).count("once") == 1
    # both gone and back: one-off tasks do not run again, and the interval goes on
    kill(cluster, standby)
    third = cluster.beat(config)
    wait_for_leader(cluster, third)
    cluster.wait_for("often", lambda counts: counts.done)
    cluster.pass_time(3600)
    wait_until(lambda: starts(cluster).count("often") == 3)
    wait_until(lambda: cluster.dues() == beat, what="the next beat, an interval later")
    assert starts(cluster).count("once") == 1


def test_a_scheduler_that_was_frozen_does_not_lead_beside_another(
    cluster: Cluster, source: Registry, target: Registry
) -> None:
    push_many(source, "lib/app", ["1"])
    config = write_config(
        cluster.folder,
        task("often", location(source), location(target), mapping("lib/app", "often"), interval=3600),
    )
    cluster.worker(config, "w1")
    frozen = cluster.beat(config)
    wait_until(lambda: starts(cluster).count("often") == 1)
    frozen.process.process.send_signal(signal.SIGSTOP)
    forget_what_was_told(cluster)
    standby = cluster.beat(config)
    wait_for_leader(cluster, standby, timeout=20)
    frozen.process.process.send_signal(signal.SIGCONT)
    wait_until(lambda: said(frozen, "waiting to lead"), timeout=15)
    assert starts(cluster).count("often") == 1
    cluster.wait_for("often", lambda counts: counts.done)
    cluster.pass_time(3600)
    wait_until(lambda: starts(cluster).count("often") == 2)
    # each scheduler looks once a second
    time.sleep(3)
    assert starts(cluster).count("often") == 2
