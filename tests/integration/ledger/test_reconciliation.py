"""The ledger and its workers agree again, whatever was lost in between; and a damaged ledger is put right."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from dregsy_queue.ledger import admission as admission_module
from dregsy_queue.ledger.claims import Claims
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.outages import passes
from dregsy_queue.ledger.outcome import Copied, PutBack
from dregsy_queue.ledger.overview import Overview
from dregsy_queue.ledger.quotas import Quotas
from dregsy_queue.ledger.registry_limits import Limits, RegistryLimiter
from tests.lab.redis import RedisServer

from .conftest import Clock, Ledger, image
from .model.direct import FaultyConnection


def beat(ledger: Ledger, claims: Claims, worker: str = "w1") -> set[tuple[str, int]]:
    heard = ledger.presence.heartbeat(worker, slots=4, kinds=["plan", "skopeo"], in_hand=claims.in_hand.jobs())
    return heard.lost


def test_a_claim_whose_answer_got_lost_waits_again_after_two_heartbeats(ledger: Ledger) -> None:
    ledger.worker()
    run = ledger.planned([image(1)])
    (admitted,) = ledger.admission.admit()
    faulty = FaultyConnection(ledger.redis)  # type: ignore[arg-type]
    claims = Claims(faulty)
    faulty.disturb("answer")
    with pytest.raises(RedisConnectionError):
        claims.take(admitted.job, admitted.epoch, "w1")
    beat(ledger, claims)
    assert ledger.admission.admit() == [], "the claim may be on its way still"
    beat(ledger, claims)
    (again,) = ledger.admission.admit()
    claim = claims.take(again.job, again.epoch, "w1")
    assert claim and claim.attempt == 1, "what nobody ran was no attempt"
    assert claims.settle(claim, Copied("d"), 1)
    counts = ledger.reader.counts(run)
    assert counts and counts.done and counts.copied == 1


def test_what_runs_is_not_put_back_by_heartbeats(ledger: Ledger) -> None:
    ledger.worker()
    ledger.planned([image(1)])
    (admitted,) = ledger.admission.admit()
    claim = ledger.claim(admitted)
    for _ in range(3):
        assert beat(ledger, ledger.claims) == set()
    assert ledger.claims.settle(claim, Copied("d"), 1)


@pytest.mark.parametrize("step", ["claim", "settle", "end_plan"])
def test_a_call_made_twice_gets_the_same_answer(ledger: Ledger, step: str) -> None:
    """As redis-py makes it, where the first answer got lost."""
    ledger.worker()
    faulty = FaultyConnection(ledger.redis)  # type: ignore[arg-type]
    claims = Claims(faulty)
    ledger.runs = type(ledger.runs)(faulty)
    run = ledger.start()
    (admitted,) = ledger.admission.admit()
    faulty.disturb("twice" if step == "claim" else "")
    plan = claims.take(admitted.job, admitted.epoch, "w1")
    assert plan and plan.attempt == 1
    ledger.runs.add(plan, [image(1)])
    faulty.disturb("twice" if step == "end_plan" else "")
    assert ledger.runs.end_plan(plan)
    (admitted,) = ledger.admission.admit()
    claim = claims.take(admitted.job, admitted.epoch, "w1")
    assert claim
    faulty.disturb("twice" if step == "settle" else "")
    assert claims.settle(claim, Copied("d"), 1), "its own outcome is no lost one"
    counts = ledger.reader.counts(run)
    assert counts and counts.done and counts.copied == 1 and counts.open == 0


def test_outcomes_are_kept_until_redis_takes_them(ledger: Ledger) -> None:
    ledger.worker()
    run = ledger.planned([image(1)])
    claim = ledger.claim(ledger.admission.admit()[0])
    ledger.redis.config_set("min-replicas-to-write", 1)  # type: ignore[attr-defined]
    assert ledger.claims.settle(claim, Copied("d"), 1) and ledger.claims.in_hand.unwritten == 1
    ledger.claims.done_with(claim)
    with pytest.raises(Exception, match="NOREPLICAS") as caught:
        ledger.claims.in_hand.write_kept()
    assert passes(caught.value)
    ledger.redis.config_set("min-replicas-to-write", 0)  # type: ignore[attr-defined]
    for _ in range(3):
        assert beat(ledger, ledger.claims) == set(), "what is kept is in hand"
    ledger.claims.in_hand.write_kept()
    counts = ledger.reader.counts(run)
    assert counts and counts.done and counts.copied == 1
    assert ledger.claims.in_hand.jobs() == set()


def test_a_worker_that_comes_back_takes_its_losses_back(ledger: Ledger) -> None:
    ledger.worker("w1")
    ledger.planned([image(1)])
    for _ in range(4):
        ledger.worker("frozen")
        (admitted,) = ledger.admission.admit()
        claims = Claims(ledger.redis)
        assert claims.take(admitted.job, admitted.epoch, "frozen")
        ledger.let_die("frozen")
        reaped = ledger.admission.reap()
        assert reaped.workers == ["frozen"] and reaped.given_up == []
        assert beat(ledger, claims, "frozen") == {(admitted.job, admitted.epoch)}, (
            "it ends what is not its own any more"
        )


def test_leases_that_ended_while_redis_stood_still_are_no_dead_workers(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.worker()
    ledger.planned([image(1)])
    claim = ledger.claim(ledger.admission.admit()[0])
    ledger.admission.reap()
    ledger.redis.set(key("reaped"), str(float(ledger.redis.get(key("reaped")) or 0) - 60))
    ledger.let_die("w1")
    assert ledger.admission.reap().workers == []
    assert ledger.claims.settle(claim, Copied("d"), 1)
    monkeypatch.setattr(admission_module, "STOOD_STILL", 1e6)
    ledger.let_die("w1")
    assert ledger.admission.reap().workers == ["w1"]


def test_a_changed_task_supersedes_its_run(ledger: Ledger) -> None:
    ledger.worker(slots=1)
    old = ledger.planned([image(n) for n in range(4)])
    claim = ledger.claim(ledger.admission.admit()[0])
    values = {"priority": 5, "kept": 5, "source": "src.example", "target": "dst.example"}
    started = ledger.runs.start("t", "another", **values)  # type: ignore[arg-type]
    assert not started.new and started.follows and started.run == old
    counts = ledger.reader.counts(old)
    assert counts and (counts.cancelled, counts.open, counts.state) == (3, 1, "running")
    ledger.claims.settle(claim, Copied("d"), 1)
    newest = ledger.reader.newest("t")
    assert newest and newest.run != old and newest.state == "planning", "it began by itself"
    counts = ledger.reader.counts(old)
    assert counts and counts.done and (counts.copied, counts.failed, counts.cancelled) == (1, 0, 3)


def test_a_large_run_is_superseded_in_slices(ledger: Ledger) -> None:
    ledger.worker(slots=2)
    old = ledger.planned([image(n) for n in range(900)])
    ledger.claims.settle(ledger.claim(ledger.admission.admit()[0]), PutBack(delay=500), 1)
    for admitted in ledger.admission.admit():
        ledger.claims.settle(ledger.claim(admitted), Copied("d"), 1)
    ledger.runs.start("t", "another", priority=5, kept=5, source="src.example", target="dst.example")
    for _ in range(100):
        if not ledger.admission.reap().more:
            break
    counts = ledger.reader.counts(old)
    assert counts and counts.done and counts.copied + counts.cancelled == 900 and counts.cancelled >= 897


def test_planning_goes_on_where_it_stood(ledger: Ledger) -> None:
    ledger.worker()
    ledger.start()
    plan = ledger.claim(ledger.admission.admit()[0])
    ledger.runs.add(plan, [image(1), image(2)])
    assert ledger.claims.settle(plan, PutBack(), 1)
    (again,) = [job for job in ledger.admission.admit() if job.transfer is None]
    plan = ledger.claim(again)
    targets = [image(n).target for n in range(1, 4)]
    assert ledger.runs.planned_targets(plan, targets) == set(targets[:2])
    assert ledger.runs.add(plan, [image(3)]) == 1


def test_a_job_record_that_is_lost_stops_nobody_and_comes_back(ledger: Ledger) -> None:
    ledger.worker()
    run = ledger.planned([image(n) for n in range(8)])
    claims = [ledger.claim(job) for job in ledger.admission.admit()]
    waiting = next(job for job in ledger.redis.hgetall(key("run", run, "jobs")) if job not in {c.job for c in claims})
    ledger.redis.delete(key("job", claims[0].job), key("job", waiting))
    overview, repaired = Overview(ledger.redis), 0
    assert overview.repairs() == 0
    for claim in claims[1:]:
        ledger.claims.settle(claim, Copied("d"), 1)
    admission_module.AUDIT_PAUSE, before = 0, admission_module.AUDIT_PAUSE
    try:
        for _ in range(20):
            repaired += len(ledger.admission.reap().repairs)
            ledger.run_all()
    finally:
        admission_module.AUDIT_PAUSE = before
    counts = ledger.reader.counts(run)
    assert counts and counts.done and (counts.copied, counts.failed) == (8, 0)
    assert repaired and overview.repairs() == repaired


def work_until_over(ledger: Ledger, clock: Clock) -> None:
    """A worker that does what it gets, as long as a run is active."""
    over = 0
    for _ in range(500):
        clock.let_pass(5)
        ledger.presence.heartbeat("w1", slots=50, kinds=["plan", "skopeo"], in_hand=[])
        while ledger.admission.reap().more:
            pass
        for admitted in ledger.admission.admit():
            claim = ledger.claims.take(admitted.job, admitted.epoch, "w1")
            if claim and claim.transfer:
                ledger.claims.settle(claim, Copied(claim.transfer.digest), 1)
            elif claim:
                ledger.runs.end_plan(claim)
        over = 0 if ledger.redis.hget(key("task", "t"), "active") else over + 1
        # What its task has forgotten is found by a walk through all keys.
        if over == 12:
            return
    pytest.fail("the run did not end")


@pytest.mark.parametrize("round_", range(3))
def test_a_redis_that_evicts_leaves_no_run_that_waits_for_ever(
    ledger: Ledger, clock: Clock, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, round_: int
) -> None:
    monkeypatch.setattr(admission_module, "AUDIT_PAUSE", 0.0)
    ledger.worker(slots=50)
    run = ledger.planned(image(n) for n in range(300))
    for admitted in ledger.admission.admit()[: 10 * round_]:
        ledger.claim(admitted)
    client = redis_server.client()
    client.config_set("maxmemory-policy", "allkeys-random")
    client.config_set("maxmemory", int(client.info("memory")["used_memory"]) - 100_000)
    client.set("dregsy:anything", "else")
    client.config_set("maxmemory", 0)
    # By chance a few large keys go, or many small ones.
    assert int(client.info("stats")["evicted_keys"])
    work_until_over(ledger, clock)
    counts = ledger.reader.counts(run)
    assert counts is None or (counts.done and not counts.open), "gone, or over"
    again = ledger.planned(image(n) for n in range(300))
    work_until_over(ledger, clock)
    counts = ledger.reader.counts(again)
    assert counts and (counts.outcome, counts.copied, counts.open) == ("done", 300, 0)


def test_jobs_of_another_release_are_read_or_handed_back(ledger: Ledger) -> None:
    ledger.worker()
    run = ledger.planned([image(1)])
    (job, text), *_ = ledger.redis.hgetall(key("run", run, "jobs")).items()
    newer = {**json.loads(text), "colour": "blue"}
    ledger.redis.hset(key("run", run, "jobs"), job, json.dumps(newer))  # type: ignore[attr-defined]
    claim = ledger.claim(ledger.admission.admit()[0])
    assert claim.transfer == image(1)
    ledger.claims.settle(claim, PutBack(), 1)
    del newer["digest"]
    ledger.redis.hset(key("run", run, "jobs"), job, json.dumps(newer))  # type: ignore[attr-defined]
    (admitted,) = ledger.admission.admit()
    assert admitted.kind == "skopeo" and admitted.transfer is None
    assert ledger.claims.take(admitted.job, admitted.epoch, "w1") is None
    assert ledger.redis.zcard(key("delayed")) == 1, "it is left to a worker that can read it"


@pytest.mark.parametrize("left", [10**17, 10**20, 10**30, -(10**30)])
def test_numbers_from_outside_break_nothing(ledger: Ledger, left: int) -> None:
    ledger.worker(slots=100)
    limiter = RegistryLimiter(ledger.redis)
    limiter.configure("src.example", Limits(reserve=1))
    run = ledger.planned([replace(image(n), pulls=10**18) for n in range(3)])
    Quotas(ledger.redis).observe("src.example", left, 1e30, left)
    assert len(ledger.admission.admit()) in (0, 3)
    limiter.pause("src.example", float("inf"))
    assert max(limiter.pauses().values()) <= 6 * 3600
    counts = ledger.reader.counts(run)
    assert counts and counts.open == 3
    assert ledger.admission.reap().repairs == []


def test_tasks_whose_names_look_like_keys_live_side_by_side(ledger: Ledger) -> None:
    ledger.worker()
    for task in ("a", "a:runs", "a%3Aruns"):
        ledger.planned([image(n, task="x") for n in range(2)], task=task)
        ledger.run_all()
    for task in ("a", "a:runs", "a%3Aruns"):
        newest = ledger.reader.newest(task)
        assert newest and newest.done and newest.copied == 2
