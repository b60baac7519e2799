"""Which schedulers and workers live, and by which config."""

from __future__ import annotations

from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.roles import LEASE, Role, Roles, Scheduled, replaced
from tests.integration.ledger.conftest import Ledger, image


def test_a_role_that_is_lost_is_remembered_and_one_that_leaves_is_not(ledger: Ledger) -> None:
    roles = Roles(ledger.redis)
    assert roles.lead("one#1", 10) == "anew"
    roles.renew("scheduler", "one#1", config_hash="abc", scheduled={"t": Scheduled(30, 99.5)})
    roles.renew("scheduler", "two#2", config_hash="abd", config_error="config.yaml:3: no such key", scheduled={})
    one, two = roles.list("scheduler")
    assert (one.name, one.leads, one.config, one.lives, one.error) == ("one#1", True, "abc", True, "")
    assert (two.leads, two.error) == (False, "config.yaml:3: no such key")
    assert roles.scheduled() == {"t": Scheduled(30, 99.5)}, "a standby changes nothing"
    ledger.redis.zadd(key("roles", "scheduler"), {"one#1": 1 + ledger.redis.time()[0] - LEASE})
    states = [(role.name, role.lives) for role in roles.list("scheduler")]
    assert states == [("one#1", False), ("two#2", True)], "both began at the same time"
    began = str(ledger.redis.time()[0] - 60)
    pipeline = ledger.redis.pipeline(transaction=True)
    pipeline.hset(key("role", "scheduler", "one#1"), mapping={"since": began})
    pipeline.execute()
    assert [role.name for role in roles.list("scheduler")] == ["two#2"], "it began since then, so it took the place"
    pipeline = ledger.redis.pipeline(transaction=True)
    pipeline.hset(key("role", "scheduler", "two#2"), mapping={"since": "1"})
    pipeline.execute()
    assert [(role.name, role.lives) for role in roles.list("scheduler")] == [("one#1", False), ("two#2", True)]
    roles.leave("scheduler", "two#2")
    assert [role.name for role in roles.list("scheduler")] == ["one#1"]


def test_a_task_that_the_leader_does_not_name_has_left(ledger: Ledger) -> None:
    roles = Roles(ledger.redis)
    ledger.worker()
    ledger.planned([image(1)])
    roles.lead("one#1", 10)
    roles.renew("scheduler", "one#1", scheduled={})
    left = ledger.redis.hget(key("task", "t"), "left")
    roles.renew("scheduler", "one#1", scheduled={})
    assert left and ledger.redis.hget(key("task", "t"), "left") == left, "since the first time"
    roles.renew("scheduler", "one#1", scheduled={"t": Scheduled(0, 0)})
    assert ledger.redis.hget(key("task", "t"), "left") is None


def test_one_scheduler_leads_and_everybody_can_see_which(ledger: Ledger) -> None:
    roles, lock = Roles(ledger.redis), key("beat", "", "lock")
    assert [roles.lead("one#1", 10), roles.lead("two#2", 10)] == ["anew", "no"]
    assert roles.lead("one#1", 10) == "still", "so is an answer that got lost"
    for name in ("one#1", "two#2"):
        roles.renew("scheduler", name)
    assert [role.leads for role in roles.list("scheduler")] == [True, False]
    roles.stop_leading("two#2")
    assert roles.lead("two#2", 10) == "no"
    roles.stop_leading("one#1")
    assert [role.leads for role in roles.list("scheduler")] == [False, False]
    assert roles.lead("two#2", 10) == "anew"
    roles.renew("scheduler", "one#1", scheduled={"old": Scheduled(30, 99.5)})
    assert roles.scheduled() == {}, "one that led and does not know better writes no schedule"
    assert [role.leads for role in roles.list("scheduler")] == [False, True]
    assert ledger.redis.get(lock) == "two#2"


def role(name: str, since: float, seen: float) -> Role:
    """Seen for the last time so many seconds before 1000."""
    return Role("worker", name, leads=False, config="", error="", version="", since=since, age=1000 - seen)


def test_a_lost_role_is_missed_until_another_begins_in_its_place() -> None:
    old, killed, again = role("old", 1, 999), role("killed", 2, 500), role("again", 3, 600)
    assert replaced([old, killed, again], 1000) == [], "both lived while it was killed"
    successor = role("successor", 601, 998)
    assert replaced([old, killed, successor], 1000) == [killed]
    assert replaced([old, killed, again, successor], 1000) == [killed], "one takes one place"
    between = role("between", 501, 700)
    assert replaced([killed, between, role("last", 701, 998)], 1000) == [killed, between]
