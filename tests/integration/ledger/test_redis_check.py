"""A Redis that cannot hold the ledger is told of."""

from __future__ import annotations

from pathlib import Path

from dregsy_queue.ledger import situation
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.redis_check import examine, refusal
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


def test_why_it_takes_no_writes(redis_server: RedisServer, tmp_path: Path) -> None:
    connection, admin = connect(redis_server.url), redis_server.client()
    assert refusal(connection) == ""
    admin.config_set("maxmemory", "500kb")
    assert "is full" in refusal(connection) and "is full" in situation.read(connection).verdict.problems[0]
    admin.config_set("maxmemory", "0")
    replica = RedisServer(tmp_path / "replica").start()
    replica.client().replicaof("127.0.0.1", redis_server.port)
    assert "a replica" in refusal(connect(replica.url))
    replica.kill()
