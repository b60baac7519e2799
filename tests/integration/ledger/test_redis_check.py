"""A Redis that cannot hold the ledger is told of."""

from __future__ import annotations

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.redis_check import examine
from dregsy_queue.ledger.roles import Roles, Scheduled
from tests.lab.redis import RedisServer


def test_a_redis_that_evicts_and_one_that_another_cluster_uses(redis_server: RedisServer) -> None:
    connection = connect(redis_server.url)
    assert examine(connection, ["mine"]) == []
    redis_server.client().config_set("maxmemory-policy", "allkeys-lru")
    roles = Roles(connection)
    roles.lead("other#1", 10)
    roles.renew("scheduler", "other#1", scheduled={"theirs": Scheduled(30, 0)})
    evicts, shared = examine(connection, ["mine"])
    assert "allkeys-lru: it throws jobs away" in evicts
    assert "its tasks: theirs" in shared and "DREGSY_PREFIX" in shared
    assert len(examine(connection, ["mine", "theirs"])) == 1, "a config that shares a task is one of the same cluster"


def test_two_clusters_with_tasks_of_the_same_names_notice_each_other(redis_server: RedisServer) -> None:
    connection = connect(redis_server.url)
    Roles(connection, "east").renew("worker", "w1#1")
    (found,) = examine(connection, ["mirror"], cluster="west")
    assert "its name: east; this one's: west" in found and "DREGSY_PREFIX" in found
    assert examine(connection, ["mirror"], cluster="east") == []
    assert examine(connection, ["mirror"], cluster="") == [], "one that has no name cannot tell"
