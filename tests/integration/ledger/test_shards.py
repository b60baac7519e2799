"""Shards: parts of a large plan that any worker takes. A run is planned when each of them is, and only then."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from dregsy_queue.kinds import PLANNING
from dregsy_queue.ledger.claims import Claim
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.outcome import Failed, PutBack, RunFailure
from dregsy_queue.ledger.report import RunCounts
from dregsy_queue.ledger.runs import PlanLostError

from .conftest import Clock, Ledger, image


def shared(ledger: Ledger, *parts: str, once: bool = False) -> str:
    """A run whose planner, worker ``w1``, listed all and left these parts to others."""
    run = ledger.start()
    plan = ledger.claim(next(job for job in ledger.admission.admit() if job.job == f"{run}:plan"))
    for part in parts:
        ledger.runs.share(plan, part)
    assert ledger.runs.end_plan(plan, once=once)
    return run


def claims(ledger: Ledger, worker: str = "w1") -> list[Claim]:
    """The plans and shards that may run now; transfers stay where they are."""
    return [ledger.claim(job, worker) for job in ledger.admission.admit() if job.kind in PLANNING]


def the_claim(ledger: Ledger, worker: str = "w1") -> Claim:
    """The only plan or shard that may run now."""
    (claim,) = claims(ledger, worker)
    return claim


def counts(ledger: Ledger, run: str) -> RunCounts:
    found = ledger.reader.counts(run)
    assert found
    return found


def end(ledger: Ledger, shard: Claim, *numbers: int) -> None:
    ledger.runs.add(shard, [image(number) for number in numbers])
    assert ledger.runs.end_plan(shard)


def left_of(ledger: Ledger, run: str) -> list[str]:
    return sorted(name for name in ledger.redis.scan_iter(f"dregsy:*{run}*", count=1000) if "shard" in name)


def test_a_run_is_planned_when_all_its_shards_are(ledger: Ledger) -> None:
    ledger.worker(slots=8)
    run = shared(ledger, "one", "two", "three", once=True)
    first, second = claims(ledger)
    assert {first.shard, second.shard} == {"one", "two"}, "two at once for each worker"
    end(ledger, first, 1, 2)
    (third,) = claims(ledger)
    end(ledger, third)
    assert counts(ledger, run).state == "planning" and ledger.runs.not_planned({"t": "fingerprint"}) == ["t"]
    end(ledger, second, 3)
    (plan,) = claims(ledger)
    listed = ledger.runs.listed(plan)
    assert listed and listed.jobs == 3 and listed.seconds > 0
    assert ledger.runs.end_plan(plan, once=True)
    assert (counts(ledger, run).state, counts(ledger, run).open) == ("running", 3)
    assert ledger.runs.not_planned({"t": "fingerprint"}) == []
    assert left_of(ledger, run) == []


def test_parts_shared_at_once_are_all_there(ledger: Ledger) -> None:
    """Those of several repositories are left to others by several threads at once."""
    ledger.worker(slots=8)
    run = ledger.start()
    plan = ledger.claim(next(job for job in ledger.admission.admit() if job.job == f"{run}:plan"))
    wanted = [f"part {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda part: ledger.runs.share(plan, part), wanted * 2))
    assert ledger.runs.end_plan(plan)
    found = list[str]()
    while (now := claims(ledger)) and now[0].shard:
        found += [claim.shard for claim in now]
        for claim in now:
            assert ledger.runs.end_plan(claim)
    assert sorted(found) == sorted(wanted)


def test_a_plan_whose_shards_end_before_it_does_not_wait(ledger: Ledger) -> None:
    ledger.worker(slots=8)
    run = ledger.start()
    plan = ledger.claim(ledger.admission.admit()[0])
    ledger.runs.share(plan, "one")
    end(ledger, the_claim(ledger))
    assert counts(ledger, run).state == "planning"
    assert ledger.runs.end_plan(plan)
    assert counts(ledger, run).done


def test_the_shard_of_a_dead_worker_is_planned_by_another_one(ledger: Ledger) -> None:
    ledger.worker("w1")
    run = shared(ledger, "one")
    (first,) = claims(ledger, "w1")
    ledger.runs.add(first, [image(1)])
    ledger.worker("w2")
    ledger.let_die("w1")
    ledger.admission.reap()
    (second,) = claims(ledger, "w2")
    with pytest.raises(PlanLostError):
        ledger.runs.add(first, [image(3)])
    assert not ledger.runs.end_plan(first)
    end(ledger, second, 1, 2)
    (plan,) = claims(ledger, "w2")
    assert ledger.runs.end_plan(plan)
    assert counts(ledger, run).open == 2


def test_a_planner_that_begins_anew_waits_for_the_shards_of_the_first_attempt(ledger: Ledger, clock: Clock) -> None:
    ledger.worker("w1")
    run = ledger.start()
    first = ledger.claim(ledger.admission.admit()[0], "w1")
    ledger.runs.share(first, "one")
    ledger.worker("w2", slots=8)
    ledger.let_die("w1")
    ledger.admission.reap()
    with pytest.raises(PlanLostError):
        ledger.runs.share(first, "two")
    (shard,) = claims(ledger, "w2")
    assert shard.shard == "one"
    end(ledger, shard, 1)
    clock.let_pass(2)
    ledger.admission.reap()
    (second,) = claims(ledger, "w2")
    assert ledger.runs.listed(second) is None, "not all was listed"
    assert ledger.runs.planned_targets(second, [image(1).target, image(2).target]) == {image(1).target}
    end(ledger, second, 2)
    assert (counts(ledger, run).state, counts(ledger, run).open) == ("running", 2)


@pytest.mark.parametrize("how", ["it says so", "it cannot be read", "no worker survives it"])
def test_a_shard_that_fails_fails_the_run_and_the_others_go_on(ledger: Ledger, how: str) -> None:
    ledger.worker("w1", slots=8)
    run = shared(ledger, "one", "two", once=True)
    one, two = claims(ledger, "w1")
    if how == "it says so":
        assert ledger.runs.end_plan(one, RunFailure("t", "no such luck"))
    elif how == "it cannot be read":
        assert ledger.claims.settle(one, Failed("no such luck"), 0)
    else:
        ledger.redis.execute_command("HSET", key("job", one.job), "losses", 2)  # type: ignore[attr-defined]
        ledger.redis.srem(key("worker", "w1", "running"), two.job)
        ledger.let_die("w1")
        ledger.admission.reap()
        ledger.worker("w1", slots=8)
    end(ledger, two, 1)
    (plan,) = claims(ledger, "w1")
    assert ledger.runs.end_plan(plan, once=True)
    ledger.run_all()
    now = counts(ledger, run)
    wanted = "3 workers ended" if how == "no worker survives it" else "no such luck"
    assert (now.outcome, now.copied + now.open, now.failed) == ("failed" if not now.open else "running", 1, 1)
    assert now.failure and wanted in now.failure.error
    assert ledger.runs.not_planned({"t": "fingerprint"}) == ["t"], "a one-off task is started again"
    assert left_of(ledger, run) == []


def test_retry_plans_all_of_a_run_again_of_which_a_shard_failed(ledger: Ledger) -> None:
    ledger.worker(slots=8)
    run = shared(ledger, "one")
    (shard,) = claims(ledger)
    assert ledger.runs.end_plan(shard, RunFailure("t", "no"))
    assert ledger.runs.end_plan(the_claim(ledger))
    assert counts(ledger, run).outcome == "failed"
    done = Orders(ledger.redis).retry(run)
    assert done and done.planning
    (plan,) = claims(ledger)
    assert ledger.runs.listed(plan) is None
    ledger.runs.share(plan, "one")
    assert ledger.runs.end_plan(plan)
    end(ledger, the_claim(ledger), 1)
    (plan,) = claims(ledger)
    assert ledger.runs.end_plan(plan)
    assert (counts(ledger, run).state, counts(ledger, run).failure) == ("running", None)


def test_cancel_ends_shards_that_wait_and_that_run(ledger: Ledger) -> None:
    ledger.worker(slots=8)
    run = shared(ledger, *map(str, range(120)))
    running, other = claims(ledger)
    ledger.runs.add(running, [image(1)])
    assert Orders(ledger.redis).cancel(run)
    with pytest.raises(PlanLostError):
        ledger.runs.add(running, [image(2)])
    while ledger.admission.reap().more:
        pass
    now = counts(ledger, run)
    assert (now.outcome, now.cancelled, now.open) == ("cancelled", 1, 0)
    heard = ledger.presence.heartbeat("w1", slots=8, kinds=["plan", "shard"], in_hand=ledger.claims.in_hand.jobs())
    assert {(claim.job, claim.epoch) for claim in (running, other)} <= heard.lost
    assert ledger.admission.admit() == [] and left_of(ledger, run) == []
    assert ledger.start() != run, "the next run can start"


def test_a_shard_that_is_put_back_comes_again(ledger: Ledger, clock: Clock) -> None:
    ledger.worker(slots=8)
    run = shared(ledger, "one")
    (shard,) = claims(ledger)
    ledger.runs.add(shard, [image(1)])
    assert ledger.claims.settle(shard, PutBack("too many requests", delay=20), 0)
    assert claims(ledger) == []
    clock.let_pass(21)
    ledger.worker(slots=8)
    ledger.admission.reap()
    (again,) = claims(ledger)
    assert (again.shard, again.attempt) == ("one", 1)
    end(ledger, again, 1)
    assert ledger.runs.end_plan(the_claim(ledger))
    assert counts(ledger, run).open == 1


def test_a_large_plan_leaves_room_for_others(ledger: Ledger) -> None:
    ledger.worker("w1", slots=16)
    ledger.worker("w2", slots=16)
    run = shared(ledger, *map(str, range(40)))
    assert [job.kind for job in ledger.admission.admit()] == ["shard"] * 4
    for number in range(4):
        ledger.start(f"small{number}")
    assert [job.kind for job in ledger.admission.admit()] == ["plan"] * 4
    assert counts(ledger, run).state == "planning"


def test_a_worker_of_a_release_without_shards_takes_none_and_can_plan_all(ledger: Ledger, clock: Clock) -> None:
    ledger.worker("old", kinds=("plan", "skopeo"))
    ledger.worker("w1")
    run = shared(ledger, "one", "two")
    ledger.let_die("w1")
    ledger.admission.reap()
    assert ledger.admission.admit() == []
    # What its scripts do, which know of no shards: the plan's time comes, and they admit and end it.
    ledger.redis.execute_command("DEL", key("run", run, "shards"))  # type: ignore[attr-defined]
    ledger.redis.hdel(key("run", run), "shards", "listed")
    clock.let_pass(61)
    ledger.worker("old", kinds=("plan", "skopeo"))
    ledger.admission.reap()
    (plan,) = claims(ledger, "old")
    end(ledger, plan, 1, 2, 3)
    assert (counts(ledger, run).state, counts(ledger, run).open) == ("running", 3)


def test_a_shard_in_the_backlog_finds_its_list(ledger: Ledger) -> None:
    """Where a release that knows no shards puts one that it puts back."""
    ledger.worker(slots=8)
    run = shared(ledger, "one")
    shard = ledger.redis.lindex(key("shards", "t"), 0)
    ledger.redis.execute_command("RPOPLPUSH", key("shards", "t"), key("backlog", "t"))  # type: ignore[attr-defined]
    ledger.admission.reap()
    (claim,) = claims(ledger)
    assert claim.job == shard
    end(ledger, claim, 1)
    assert ledger.runs.end_plan(the_claim(ledger))
    assert counts(ledger, run).open == 1


def test_a_run_whose_shards_redis_lost_is_planned_again_and_fails_at_last(ledger: Ledger) -> None:
    ledger.worker(slots=8)
    run = shared(ledger, "one", "two", "three")
    for attempt in range(4):
        end(ledger, next(claim for claim in claims(ledger) if claim.shard), attempt)
        ledger.redis.delete(key("run", run, "shards"))
        for claim in claims(ledger):
            ledger.runs.end_plan(claim)
        ledger.redis.zadd(key("delayed"), {f"{run}:plan": 1})
        ledger.admission.reap()
        assert ledger.runs.end_plan(the_claim(ledger)) is (attempt == 3)
        if attempt < 3:
            plan = the_claim(ledger)
            assert ledger.runs.listed(plan) is None
            for part in ("one", "two", "three"):
                ledger.runs.share(plan, part)
            assert ledger.runs.end_plan(plan)
    failure = counts(ledger, run).failure
    assert failure and "does it evict keys" in failure.error


def test_what_has_left_is_swept_when_all_shards_have_said_what_there_is(ledger: Ledger) -> None:
    ledger.worker(slots=8)
    for number in (1, 2):
        ledger.redis.execute_command("HSET", key("records", "t"), image(number).target, "a b")  # type: ignore[attr-defined]
    shared(ledger, "one")
    (shard,) = claims(ledger)
    while ledger.admission.reap().more:
        pass
    assert set(ledger.redis.hgetall(key("records", "t"))) == {image(1).target, image(2).target}
    end(ledger, shard, 1)
    assert ledger.runs.end_plan(the_claim(ledger))
    while ledger.admission.reap().more:
        pass
    assert set(ledger.redis.hgetall(key("records", "t"))) == {image(1).target}
