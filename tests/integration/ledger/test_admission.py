"""Admission: free slots, one writer per target, turns between tasks, and what is put back."""

from __future__ import annotations

import threading
from collections import Counter

from dregsy_queue.ledger.admission import BUSY_TARGET_DELAY, CLAIM_WITHIN
from dregsy_queue.ledger.outcome import Copied, Failed, RetryAfter

from .conftest import Clock, Ledger, image


def test_no_more_is_admitted_than_slots_are_free(ledger: Ledger) -> None:
    ledger.worker("w1", slots=3)
    ledger.planned([image(n) for n in range(10)])
    first = ledger.admission.admit()
    assert len(first) == 3 and ledger.admission.admit() == []
    claims = [ledger.claim(job) for job in first]
    assert ledger.admission.admit() == []
    ledger.claims.settle(claims[0], Copied(""), 0)
    assert len(ledger.admission.admit()) == 1
    ledger.worker("w2", slots=2)
    assert len(ledger.admission.admit()) == 2


def test_without_a_worker_for_the_relay_jobs_wait(ledger: Ledger) -> None:
    ledger.worker("w1", kinds=["plan"])
    ledger.planned([image(1)])
    assert ledger.admission.admit() == []
    ledger.worker("w2", kinds=["plan", "docker"])
    assert ledger.admission.admit() == []
    ledger.worker("w3", kinds=["plan", "skopeo"])
    assert len(ledger.admission.admit()) == 1


def test_a_draining_worker_offers_nothing(ledger: Ledger) -> None:
    ledger.worker()
    ledger.planned([image(1)])
    ledger.presence.heartbeat("w1", slots=4, kinds=["plan", "skopeo"], draining=True)
    assert ledger.admission.admit() == []


def test_one_target_has_one_writer(clock: Clock, ledger: Ledger) -> None:
    ledger.worker()
    same = [image(n, target="dst.example/same:1") for n in range(3)]
    ledger.planned(same)
    writers = []
    for _ in range(3):
        (admitted,) = ledger.admission.admit()
        assert ledger.admission.admit() == []
        claim = ledger.claim(admitted)
        writers.append(claim.job)
        ledger.claims.settle(claim, Copied(""), 0)
        clock.let_pass(BUSY_TARGET_DELAY)
        ledger.admission.reap()
    assert len(set(writers)) == 3


def test_tasks_take_turns(ledger: Ledger) -> None:
    ledger.worker(slots=1)
    big = [image(n, task="big") for n in range(50)]
    ledger.planned(big, task="big")
    run = ledger.start("small")
    # one slot: planning of the small task is next or the one after
    order: list[str] = []
    while ledger.reader.counts(run) and not ledger.reader.counts(run).done:  # type: ignore[union-attr]
        (admitted,) = ledger.admission.admit()
        claim = ledger.claim(admitted)
        if claim.transfer is None:
            ledger.runs.add(claim, [image(n, task="small") for n in range(5)])
            ledger.runs.end_plan(claim)
            order.append("plan")
        else:
            order.append(claim.task)
            ledger.claims.settle(claim, Copied(""), 0)
    assert order.count("small") == 5 and order.count("big") <= 7


def test_higher_priority_goes_first(ledger: Ledger) -> None:
    ledger.worker(slots=1)
    ledger.planned([image(n, task="low") for n in range(3)], task="low", priority=1)
    ledger.planned([image(n, task="high") for n in range(3)], task="high", priority=9)
    order = [source.split("/")[1].split(":")[0] for source in ledger.run_all()]
    assert order == ["high"] * 3 + ["low"] * 3


def test_a_message_that_no_worker_takes_is_sent_anew_and_the_old_one_is_void(clock: Clock, ledger: Ledger) -> None:
    ledger.worker()
    run = ledger.planned([image(1)])
    (first,) = ledger.admission.admit()
    clock.let_pass(CLAIM_WITHIN - 1)
    ledger.worker()
    assert ledger.admission.reap().unclaimed == []
    clock.let_pass(1)
    assert ledger.admission.reap().unclaimed == [first.job]
    (second,) = ledger.admission.admit()
    assert second.job == first.job and second.epoch > first.epoch
    assert ledger.claims.take(first.job, first.epoch, "w1") is None
    claim = ledger.claim(second)
    assert ledger.claims.take(second.job, second.epoch, "w1") is None, "a doubled message takes nothing"
    assert ledger.claims.settle(claim, Copied(""), 0)
    assert not ledger.claims.settle(claim, Copied(""), 0), "a job ends once"
    counts = ledger.reader.counts(run)
    assert counts and counts.done and counts.copied == 1


def test_jobs_of_a_dead_worker_run_again_and_its_late_result_counts_nothing(ledger: Ledger) -> None:
    ledger.worker("dead")
    run = ledger.start()
    plan = ledger.claim(ledger.admission.admit()[0], "dead")
    ledger.runs.add(plan, [image(1)])
    ledger.runs.end_plan(plan)
    late = ledger.claim(ledger.admission.admit()[0], "dead")
    ledger.let_die("dead")
    ledger.worker("alive")
    reaped = ledger.admission.reap()
    assert reaped.workers == ["dead"] and reaped.taken == [late.job]
    again = ledger.claim(ledger.admission.admit()[0], "alive")
    assert again.attempt == 2
    assert not ledger.claims.settle(late, Failed("late"), 0)
    assert ledger.claims.settle(again, Copied(""), 0)
    counts = ledger.reader.counts(run)
    assert counts and counts.done and (counts.copied, counts.failed) == (1, 0)


def test_a_job_that_no_worker_survives_is_given_up(ledger: Ledger) -> None:
    ledger.worker("w1")
    run = ledger.planned([image(1)])
    for number in range(3):
        worker = ledger.worker(f"victim{number}")
        ledger.claim(ledger.admission.admit()[0], worker)
        ledger.let_die(worker)
        reaped = ledger.admission.reap()
    assert reaped.given_up
    counts = ledger.reader.counts(run)
    assert counts and counts.done and counts.failed == 1
    (result,) = ledger.reader.results(run)
    assert "3 workers ended" in result.error


def test_a_delayed_job_waits_its_time(clock: Clock, ledger: Ledger) -> None:
    ledger.worker()
    ledger.planned([image(1)])
    claim = ledger.claim(ledger.admission.admit()[0])
    assert ledger.claims.settle(claim, RetryAfter(10, "busy"), 0)
    ledger.admission.reap()
    assert ledger.admission.admit() == []
    clock.let_pass(10)
    ledger.admission.reap()
    assert ledger.claim(ledger.admission.admit()[0]).attempt == 2


def test_many_threads_run_every_job_once(ledger: Ledger) -> None:
    ledger.worker("w1", slots=8)
    run = ledger.planned([image(n) for n in range(300)])
    done: list[str] = []

    def work() -> None:
        while True:
            counts = ledger.reader.counts(run)
            if counts is None or counts.done:
                return
            ledger.admission.reap()
            for admitted in ledger.admission.admit(1):
                claim = ledger.claims.take(admitted.job, admitted.epoch, "w1")
                if claim:
                    done.append(claim.job)
                    ledger.claims.settle(claim, Copied(""), 0)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(Counter(done).values()) == {1} and len(done) == 300
    counts = ledger.reader.counts(run)
    assert counts and counts.copied == 300
    assert ledger.redis.hgetall("dregsy:targets") == {}
