"""The verbs on the ledger: atomic, safe twice, and counts stay exact whatever happens meanwhile."""

from __future__ import annotations

import threading

import pytest

from dregsy_queue.ledger.holds import Holds
from dregsy_queue.ledger.jobs import PlannedOutcome
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.outbox import Outbox
from dregsy_queue.ledger.outcome import Copied, Failed, RunFailure
from dregsy_queue.ledger.report import RunCounts
from dregsy_queue.ledger.runs import PlanLostError
from tests.integration.ledger.conftest import Clock, Ledger, image


@pytest.fixture
def orders(ledger: Ledger) -> Orders:
    return Orders(ledger.redis)


def counts(ledger: Ledger, run: str) -> RunCounts:
    found = ledger.reader.counts(run)
    assert found
    return found


def unplanned(number: int) -> PlannedOutcome:
    of = image(number)
    return PlannedOutcome(of.source, of.target, "", "failed", "planning", error="login is refused")


def settle_all(ledger: Ledger, fail: bool = False) -> int:
    """Run what there is to its end; how many jobs it was."""
    number = 0
    while admitted := [job for job in ledger.admission.admit() if job.transfer]:
        for job in admitted:
            claim = ledger.claim(job)
            assert ledger.claims.settle(claim, Failed("no") if fail else Copied("sha256:1"), 0.1)
            number += 1
    return number


def test_cancel_ends_what_waits_and_what_runs(ledger: Ledger, orders: Orders) -> None:
    ledger.worker(slots=2)
    run = ledger.planned(image(n) for n in range(250))
    first, second = [ledger.claim(job) for job in ledger.admission.admit()]
    assert ledger.claims.settle(first, Copied("sha256:1"), 0.1)
    assert orders.cancel(run)
    while ledger.admission.reap().more:
        pass
    assert not ledger.claims.settle(second, Copied("sha256:1"), 0.1), "it is not held any more"
    now = counts(ledger, run)
    assert (now.outcome, now.copied, now.cancelled, now.failed, now.open) == ("cancelled", 1, 249, 0, 0)
    assert ledger.admission.admit() == [] and not orders.cancel(run), "twice is once"
    assert not ledger.redis.hget(key("task", "t"), "last good"), "it is no good run"


def test_cancel_while_planning_adds_nothing_more(ledger: Ledger, orders: Orders) -> None:
    ledger.worker(slots=4)
    run = ledger.start()
    (admitted,) = ledger.admission.admit()
    plan = ledger.claim(admitted)
    ledger.runs.add(plan, [image(1), image(2), unplanned(3)])
    assert orders.cancel(run)
    with pytest.raises(PlanLostError):
        ledger.runs.add(plan, [image(4)])
    assert not ledger.runs.end_plan(plan)
    now = counts(ledger, run)
    assert (now.done, now.cancelled, now.failed, now.open) == (True, 2, 1, 0)
    assert ledger.start() != run, "the next run can start"


def test_retry_does_what_failed_and_nothing_else(ledger: Ledger, orders: Orders) -> None:
    ledger.worker(slots=8)
    run = ledger.planned(image(n) for n in range(6))
    jobs = [ledger.claim(job) for job in ledger.admission.admit()]
    for number, claim in enumerate(jobs):
        assert ledger.claims.settle(claim, Copied("sha256:1") if number < 4 else Failed("no"), 0.1)
    assert (counts(ledger, run).failed, counts(ledger, run).outcome) == (2, "failed")
    done = orders.retry(run)
    assert done and (done.jobs, done.planning) == (2, False)
    assert ledger.start() == run, "it is active again"
    again = orders.retry(run)
    assert again and again.jobs == 0, "twice is once"
    assert settle_all(ledger) == 2
    now = counts(ledger, run)
    assert (now.outcome, now.copied, now.failed, now.open) == ("done", 6, 0, 0)
    assert ledger.redis.hget(key("task", "t"), "last good")
    newer = ledger.start()
    done = orders.retry(run)
    assert done and done.active == newer, "a newer run looks at everything anyway"
    assert orders.retry("99-none") is None


def test_retry_plans_again_what_could_not_be_planned(ledger: Ledger, orders: Orders) -> None:
    ledger.worker(slots=8)
    run = ledger.start()
    plan = ledger.claim(ledger.admission.admit()[0])
    up_to_date = PlannedOutcome("src.example/t:9", "dst.example/t:9", "", "up-to-date", "up-to-date")
    ledger.runs.add(plan, [unplanned(1), up_to_date, image(2)])
    ledger.runs.end_plan(plan)
    settle_all(ledger)
    assert (counts(ledger, run).failed, counts(ledger, run).unplanned) == (1, 1)
    done = orders.retry(run)
    assert done and done.planning
    scope = orders.retried(run)
    assert scope and scope.covers(image(1).source) and not scope.covers(image(3).source)
    plan = ledger.claim(ledger.admission.admit()[0])
    ledger.runs.add(plan, [image(1), up_to_date, image(2)])
    ledger.runs.end_plan(plan)
    assert orders.retried(run) is None
    settle_all(ledger)
    now = counts(ledger, run)
    assert (now.outcome, now.copied, now.up_to_date, now.failed, now.total) == ("done", 2, 1, 0, 3)


def test_two_who_retry_at_once_plan_no_more_than_what_could_not_be_planned(ledger: Ledger, orders: Orders) -> None:
    """A plan that counted as one of everything would sweep up the records of all that it did not look at."""

    class Slower(Orders):
        """Another one is faster, between its look and its order."""

        def _name_unplanned(self, run: str) -> bool:
            found = super()._name_unplanned(run)
            assert orders.retry(run)
            return found

    ledger.worker(slots=8)
    run = ledger.planned([unplanned(1), image(2)])
    settle_all(ledger)
    done = Slower(ledger.redis).retry(run)
    assert done and done.planning, "it is planned again"
    scope = orders.retried(run)
    assert scope and not scope.covers(image(3).source)
    plan = ledger.claim(ledger.admission.admit()[0])
    ledger.runs.add(plan, [image(1)])
    ledger.runs.end_plan(plan)
    while ledger.admission.reap().more:
        pass
    assert ledger.records.look_up("t", [image(2).target]) != [None]


def test_retry_plans_a_run_again_that_could_not_be_planned_at_all(ledger: Ledger, orders: Orders) -> None:
    ledger.worker(slots=8)
    run = ledger.start("team/app")
    plan = ledger.claim(ledger.admission.admit()[0])
    ledger.runs.add(plan, [image(1)])
    assert ledger.runs.end_plan(plan, RunFailure("team/app", "the catalog is closed"))
    settle_all(ledger)
    assert counts(ledger, run).failure == RunFailure("team/app", "the catalog is closed")
    assert orders.retry(run)
    scope = orders.retried(run)
    assert scope and scope.covers(image(1).source) and scope.covers("elsewhere.example/x:1")
    plan = ledger.claim(ledger.admission.admit()[0])
    ledger.runs.add(plan, [image(1), image(2)])
    ledger.runs.end_plan(plan)
    settle_all(ledger)
    now = counts(ledger, run)
    assert (now.outcome, now.copied, now.failure) == ("done", 2, None)


def test_a_pause_under_a_full_queue_loses_nothing(ledger: Ledger, orders: Orders) -> None:
    ledger.worker(slots=4)
    run = ledger.planned(image(n) for n in range(20))
    running = [ledger.claim(job) for job in ledger.admission.admit()]
    orders.hold("task", "t", 0, "why not")
    orders.hold("task", "t", 60, "longer")
    for claim in running:
        assert ledger.claims.settle(claim, Copied("sha256:1"), 0.1), "what runs goes on"
    assert ledger.admission.admit() == []
    hold = Holds(ledger.redis).all()["task", "t"]
    assert hold.reason == "longer" and hold.until > hold.since
    assert orders.release("task", "t") and not orders.release("task", "t")
    assert orders.told()[-2:] == ["task t is paused by an operator: longer", "task t is resumed by an operator"]
    assert orders.told() == [], "each is told once"
    orders.hold("registry", "src.example", 0, "")
    assert ledger.admission.admit() == []
    assert orders.release("registry", "src.example")
    assert settle_all(ledger) == 16
    assert (counts(ledger, run).copied, counts(ledger, run).outcome) == (20, "done")


def test_orders_and_letters_to_the_outside_do_not_meet(ledger: Ledger, orders: Orders) -> None:
    outbox = Outbox(ledger.redis)
    assert outbox.tell("t", "", "failing", {"1": "t fails"})
    orders.hold("task", "t", 0, "")
    assert orders.told() == ["task t is paused by an operator"] and outbox.told() == {"t": "failing"}


def test_a_pause_ends_by_itself(clock: Clock, ledger: Ledger, orders: Orders) -> None:
    ledger.worker(slots=4)
    orders.hold("registry", "dst.example", 15, "")
    ledger.start()
    assert ledger.admission.admit() == []
    clock.let_pass(16)
    assert len(ledger.admission.admit()) == 1


def test_resume_lifts_a_pause_after_refusals(ledger: Ledger, orders: Orders) -> None:
    from dregsy_queue.ledger.registry_limits import RegistryLimiter

    ledger.worker(slots=4)
    RegistryLimiter(ledger.redis).pause("src.example", 900)
    ledger.start()
    assert ledger.admission.admit() == []
    assert orders.release("registry", "src.example") and ledger.admission.admit()


def test_forget_while_running_leaves_nothing(ledger: Ledger, orders: Orders) -> None:
    ledger.worker(slots=4)
    ledger.planned([image(1)], task="other")
    other = ledger.claim(ledger.admission.admit()[0])
    ledger.planned((image(n, task="a:runs") for n in range(300)), task="a:runs")
    claim = ledger.claim(ledger.admission.admit()[0])
    ledger.redis.set(key("once", "a:runs"), "fingerprint")
    orders.hold("task", "a:runs", 0, "")
    assert orders.forget("a:runs")
    assert not ledger.claims.settle(claim, Copied("sha256:1"), 0.1)
    while ledger.admission.reap().more:
        pass
    assert orders.told()
    left = [name for name in ledger.redis.scan_iter("*", count=1000) if "a%3Aruns" in name or "a:runs" in name]
    assert left == [] and ledger.redis.smembers(key("tasks")) == {"other"}
    assert not [field for field in ledger.redis.hgetall(key("tally")) if "a:runs" in field]
    assert Holds(ledger.redis).all() == {}
    assert ledger.claims.settle(other, Copied("sha256:1"), 0.1), "others are not touched"
    assert orders.forget("a:runs"), "twice is once"


def test_an_order_is_one_roles_and_stands_until_carried_out(ledger: Ledger, orders: Orders) -> None:
    order = orders.run("t")
    assert orders.run("t") == order and orders.ordered() == ["t"]
    assert orders.take("t", least_age=60) is None, "it is left to others for now"
    taken: list[str | None] = []
    threads = [threading.Thread(target=lambda: taken.append(Orders(ledger.redis).take("t"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(filter(None, taken)) == [order]
    assert orders.outcome(order) is None
    orders.carried_out("t", order, "17")
    assert orders.outcome(order) == "17" and orders.ordered() == []


def test_ended_runs_are_told_once(ledger: Ledger, orders: Orders) -> None:
    ledger.worker(slots=4)
    run = ledger.planned([image(1)])
    settle_all(ledger)
    assert orders.ended_runs() == [run] and orders.ended_runs() == []


def test_retry_while_jobs_fail_keeps_counts_exact(ledger: Ledger, orders: Orders) -> None:
    ledger.worker(slots=16)
    run = ledger.planned(image(n) for n in range(60))
    ended = threading.Event()

    def insist() -> None:
        mine = Orders(ledger.redis)
        while not ended.is_set():
            mine.retry(run)

    threads = [threading.Thread(target=insist) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(12):
        for job in ledger.admission.admit():
            ledger.claims.settle(ledger.claim(job), Failed("no"), 0.1)
    ended.set()
    for thread in threads:
        thread.join()
    orders.retry(run)
    settle_all(ledger)
    now = counts(ledger, run)
    assert (now.outcome, now.copied, now.failed, now.open) == ("done", 60, 0, 0)
