"""Runs: exact counts, an exact end, and bounded memory."""

from __future__ import annotations

import json

import pytest
from redis import Redis

from dregsy_queue.ledger import situation
from dregsy_queue.ledger.jobs import PlannedOutcome
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.outcome import Copied, Failed, RunFailure
from dregsy_queue.ledger.overview import Overview
from dregsy_queue.ledger.report import report
from dregsy_queue.ledger.runs import PlanLostError

from .conftest import Ledger, image


def test_a_run_ends_exactly_with_its_last_job(ledger: Ledger) -> None:
    ledger.worker()
    run = ledger.planned([image(n) for n in range(3)])
    for expected_open in (2, 1, 0):
        counts = ledger.reader.counts(run)
        assert counts and counts.state == "running"
        claim = ledger.claim(ledger.admission.admit(1)[0])
        assert ledger.claims.settle(claim, Copied("d"), 1)
        counts = ledger.reader.counts(run)
        assert counts and counts.open == expected_open
        # jobs admitted ahead of time would make this loop wrong
    counts = ledger.reader.counts(run)
    assert counts and counts.done and (counts.copied, counts.total) == (3, 3) and counts.ended >= counts.started


def test_a_run_without_jobs_ends_with_its_planning(ledger: Ledger) -> None:
    ledger.worker()
    run = ledger.planned([])
    counts = ledger.reader.counts(run)
    assert counts and counts.done and counts.total == 0


def test_a_task_whose_run_has_not_ended_is_not_started_again(ledger: Ledger) -> None:
    ledger.worker()
    run = ledger.planned([image(1)])
    assert ledger.start() == run
    ledger.run_all()
    assert ledger.start() != run


def test_adding_the_same_images_again_changes_nothing(ledger: Ledger) -> None:
    ledger.worker()
    run = ledger.start()
    plan = ledger.claim(ledger.admission.admit()[0])
    current = PlannedOutcome("src.example/t:9", "dst.example/t:9", "", "up-to-date", "up-to-date", digest="d")
    assert ledger.runs.add(plan, [image(1), image(2), current]) == 2
    assert ledger.runs.add(plan, [image(1), image(2), image(3), current]) == 1
    counts = ledger.reader.counts(run)
    assert counts and (counts.open, counts.up_to_date) == (3, 1)


def test_a_planner_taken_for_dead_cannot_add_any_more(ledger: Ledger) -> None:
    ledger.worker("w1")
    run = ledger.start()
    first = ledger.claim(ledger.admission.admit()[0], "w1")
    ledger.runs.add(first, [image(1)])
    ledger.admission.leave("w1")
    ledger.worker("w2")
    (again,) = [job for job in ledger.admission.admit() if job.transfer is None]
    second = ledger.claim(again, "w2")
    with pytest.raises(PlanLostError):
        ledger.runs.add(first, [image(2)])
    assert not ledger.runs.end_plan(first)
    # what the first one found stays, what the second finds again is not doubled
    assert ledger.runs.add(second, [image(1), image(3)]) == 1
    assert ledger.runs.end_plan(second)
    counts = ledger.reader.counts(run)
    assert counts and counts.open == 2


def test_outcomes_known_to_planning_are_counted_once_when_planning_begins_anew(ledger: Ledger) -> None:
    ledger.worker("w1")
    run = ledger.start()
    failed = PlannedOutcome("src.example/a", "dst.example/a", "", "failed", "planning", error="no")
    ledger.runs.add(ledger.claim(ledger.admission.admit()[0], "w1"), [failed])
    ledger.admission.leave("w1")
    ledger.worker("w2")
    plan = ledger.claim(ledger.admission.admit()[0], "w2")
    ledger.runs.add(plan, [failed])
    ledger.runs.end_plan(plan)
    counts = ledger.reader.counts(run)
    assert counts and counts.done and counts.failed == 1


def test_a_run_that_could_not_be_planned_says_why(ledger: Ledger) -> None:
    ledger.worker("w1")
    run = ledger.start()
    ledger.runs.end_plan(ledger.claim(ledger.admission.admit()[0], "w1"), RunFailure("t", "bearer abc.def.ghi: no"))
    counts = ledger.reader.counts(run)
    assert counts and counts.done and (counts.failed, counts.outcome) == (1, "failed")
    assert counts.failure and "no" in counts.failure.error
    assert list(ledger.reader.results(run)) == [], "it is no image"
    (row,) = report(ledger.reader, ["t"])["tasks"]["t"]["jobs"]
    assert (row["source"], row["target"], row["status"], row["error"]) == ("t", "", "failed", counts.failure.error)


def test_a_failure_of_planning_that_the_release_before_wrote_is_read(ledger: Ledger) -> None:
    ledger.worker("w1")
    run = ledger.start()
    ledger.runs.end_plan(ledger.claim(ledger.admission.admit()[0], "w1"), RunFailure("t", "new"))
    before = {"source": "t", "target": "", "platform": "", "status": "failed", "reason": "planning", "error": "old"}
    ledger.redis.hset(key("run", run, "planned"), f"{run}:plan", json.dumps(before))  # type: ignore[attr-defined]
    ledger.redis.hdel(key("run", run), "failure")
    counts = ledger.reader.counts(run)
    assert counts and counts.failure == RunFailure("t", "old") and list(ledger.reader.results(run)) == []


def test_what_another_release_wrote_is_shown(ledger: Ledger) -> None:
    ledger.worker()
    run = ledger.planned([image(1), image(2)])
    runs, waits = ledger.admission.admit()
    ledger.claim(runs)
    for job in (runs.job, waits.job):
        known = json.loads(ledger.redis.hget(key("run", run, "jobs"), job) or "")
        other = {"source": known["source"], "target": known["target"], "reason": "missing", "more": 1}
        pipeline = ledger.redis.pipeline(transaction=True)
        pipeline.hset(key("run", run, "jobs"), mapping={job: json.dumps(other)})
        pipeline.execute()
    assert ledger.claims.take(waits.job, waits.epoch, "w1") is None, "handed back"
    overview, note = Overview(ledger.redis), {"number": 3, "attempt": 2, "most": 6, "seconds": 9, "error": "e"}
    pipeline = ledger.redis.pipeline(transaction=True)
    pipeline.hset(key("plan waits"), mapping={"t": json.dumps({**note, "until": overview.now() + 9, "more": 1})})
    pipeline.execute()
    (running,) = ledger.reader.running_transfers()
    assert running.source in {image(1).source, image(2).source}
    assert {row["source"] for row in report(ledger.reader, ["t"])["tasks"]["t"]["jobs"]} == {
        image(1).source,
        image(2).source,
    }
    told = [waiting.why for waiting in situation.read(ledger.redis).waiting]
    assert len(told) == 2 and told[0].startswith("e;")
    assert told[1].startswith("another release made this job, this one cannot read it")


def test_a_plan_that_no_worker_survives_is_given_up(ledger: Ledger) -> None:
    run = ledger.start()
    for number in range(3):
        worker = ledger.worker(f"victim{number}")
        ledger.claim(ledger.admission.admit()[0], worker)
        ledger.let_die(worker)
        ledger.admission.reap()
    counts = ledger.reader.counts(run)
    assert counts and counts.done and counts.failure and "3 workers ended" in counts.failure.error


def test_only_the_newest_runs_are_kept(ledger: Ledger) -> None:
    ledger.worker()
    runs = []
    for _ in range(4):
        run = ledger.start(kept=2)
        plan = ledger.claim(ledger.admission.admit()[0])
        ledger.runs.add(plan, [image(n) for n in range(50)])
        ledger.runs.end_plan(plan)
        ledger.run_all()
        runs.append(run)
    assert [ledger.reader.counts(run) is not None for run in runs] == [False, False, True, True]
    assert ledger.redis.hgetall(f"dregsy:run:{runs[0]}:jobs") == {}


def test_runs_that_ended_long_ago_are_forgotten_but_for_the_last(ledger: Ledger) -> None:
    def some() -> str:
        run = ledger.planned([image(n) for n in range(3)])
        ledger.run_all()
        return run

    ledger.worker()
    orders, runs = Orders(ledger.redis), [some() for _ in range(4)]
    active = ledger.start()
    now = ledger.redis.time()[0]
    for age, run in zip((400, 300, 200, 100), runs, strict=True):
        change = ledger.redis.pipeline(transaction=True)
        change.hset(key("run", run), mapping={"ended": str(now - age)})
        change.execute()
    assert orders.forget_old_runs(now - 250) == runs[:2]
    assert [run.run for run in ledger.reader.runs("t")] == [active, runs[3], runs[2]]
    assert orders.forget_old_runs(now) == [runs[2]], "the last that ended stays, and what is active"
    while ledger.admission.reap().more:
        pass
    assert [any(True for _ in ledger.redis.scan_iter(f"*{run}*", count=1000)) for run in runs] == [
        False,
        False,
        False,
        True,
    ]
    assert orders.forget_old_runs(now) == []


def test_the_report_has_every_image(ledger: Ledger) -> None:
    ledger.worker()
    ledger.start()
    plan = ledger.claim(ledger.admission.admit()[0])
    current = PlannedOutcome("src.example/t:9", "dst.example/t:9", "", "up-to-date", "up-to-date", digest="d9")
    ledger.runs.add(plan, [image(1), image(2), current])
    ledger.runs.end_plan(plan)
    one, two = (ledger.claim(job) for job in sorted(ledger.admission.admit(), key=lambda job: str(job.transfer)))
    ledger.claims.settle(one, Copied("d1"), 1.25)
    ledger.claims.settle(two, Failed("denied"), 0.5)
    task = report(ledger.reader, ["t", "unknown"])["tasks"]["t"]
    assert (task["copied"], task["up_to_date"], task["failed"]) == (1, 1, 1)
    assert [(job["source"][-1], job["status"], job["attempts"], job["error"]) for job in task["jobs"]] == [
        ("1", "copied", 1, ""),
        ("2", "failed", 1, "denied"),
        ("9", "up-to-date", 0, ""),
    ]
    assert set(task["jobs"][0]) == {
        "source", "target", "status", "reason", "digest", "attempts", "seconds", "error",
    }  # fmt: skip


def test_sync_records_are_kept_with_the_outcome(ledger: Ledger) -> None:
    ledger.worker()
    ledger.planned([image(1), image(2)])
    for admitted in ledger.admission.admit():
        claim = ledger.claim(admitted)
        assert claim.transfer
        if claim.transfer.source.endswith("1"):
            ledger.claims.settle(claim, Copied("sha256:b"), 0)
        else:
            ledger.claims.settle(claim, Failed("no"), 0)
    found, missing = ledger.records.look_up("t", ["dst.example/t:1", "dst.example/t:2"])
    assert found and (found.source_digest, found.target_digest) == (image(1).source_digest, "sha256:b")
    assert missing is None


@pytest.mark.parametrize("unlisted", [False, True])
def test_records_of_images_that_left_go_but_not_of_a_repository_that_cannot_be_listed(
    ledger: Ledger, unlisted: bool
) -> None:
    ledger.worker()
    ledger.planned([image(1), image(2), image(3)])
    ledger.run_all()
    broken = PlannedOutcome(
        "src.example/t:3", "dst.example/t:3", "", "failed", "planning", error="no such platform", unlisted=unlisted
    )
    ledger.planned([image(1), broken])
    ledger.run_all()
    while ledger.admission.reap().more:
        pass
    kept = ledger.records.look_up("t", [f"dst.example/t:{number}" for number in (1, 2, 3)])
    assert [record is not None for record in kept] == [True, unlisted, True]


@pytest.mark.parametrize("often", [1, 4])
def test_a_run_is_planned_once_more_when_redis_lost_a_part_of_it(ledger: Ledger, redis_url: str, often: int) -> None:
    """A fail-over loses what a planner wrote some seconds ago, and leaves it its plan."""
    ledger.worker(slots=8)
    run = ledger.start()
    for lost in range(often + 1):
        (plan,) = [ledger.claim(job) for job in ledger.admission.admit() if job.kind == "plan"]
        before = dump(redis_url)
        assert ledger.runs.add(plan, [image(n) for n in range(3)]) == 3
        if lost < often:
            restore(redis_url, before)
        ledger.runs.add(plan, [image(n) for n in range(3, 5)])
        assert ledger.runs.planned_targets(plan, [image(4).target])
        if not ledger.runs.end_plan(plan, targets=5):
            assert lost < often
            continue
        break
    counts = ledger.reader.counts(run)
    assert counts and counts.open == (5 if often == 1 else 2)
    assert bool(counts.failure) == (often > 1)


def dump(url: str) -> dict[bytes, bytes]:
    client = Redis.from_url(url)
    return {name: client.dump(name) or b"" for name in client.scan_iter(count=1000)}


def restore(url: str, before: dict[bytes, bytes]) -> None:
    client = Redis.from_url(url)
    client.flushdb()
    for name, value in before.items():
        client.restore(name, 0, value)
