"""Which schedulers and workers live, and by which config."""

from __future__ import annotations

from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.roles import LEASE, Roles, Scheduled
from tests.integration.ledger.conftest import Ledger, image


def test_a_role_that_is_lost_is_remembered_and_one_that_leaves_is_not(ledger: Ledger) -> None:
    roles = Roles(ledger.redis)
    roles.renew("scheduler", "one#1", leads=True, config_hash="abc", scheduled={"t": Scheduled(30, 99.5)})
    roles.renew("scheduler", "two#2", config_hash="abd", config_error="config.yaml:3: no such key")
    one, two = roles.list("scheduler")
    assert (one.name, one.leads, one.config, one.lives, one.error) == ("one#1", True, "abc", True, "")
    assert (two.leads, two.error) == (False, "config.yaml:3: no such key")
    assert roles.scheduled() == {"t": Scheduled(30, 99.5)}, "a standby changes nothing"
    ledger.redis.zadd(key("roles", "scheduler"), {"one#1": 1 + ledger.redis.time()[0] - LEASE})
    assert [(role.name, role.lives) for role in roles.list("scheduler")] == [("one#1", False), ("two#2", True)]
    roles.leave("scheduler", "two#2")
    assert [role.name for role in roles.list("scheduler")] == ["one#1"]


def test_a_task_that_the_leader_does_not_name_has_left(ledger: Ledger) -> None:
    roles = Roles(ledger.redis)
    ledger.worker()
    ledger.planned([image(1)])
    roles.renew("scheduler", "one#1", leads=True, scheduled={})
    left = ledger.redis.hget(key("task", "t"), "left")
    roles.renew("scheduler", "one#1", leads=True, scheduled={})
    assert left and ledger.redis.hget(key("task", "t"), "left") == left, "since the first time"
    roles.renew("scheduler", "one#1", leads=True, scheduled={"t": Scheduled(0, 0)})
    assert ledger.redis.hget(key("task", "t"), "left") is None
