"""Limits per registry: both sides admit or none, windows slide, pauses are one for all, quotas are obeyed."""

from __future__ import annotations

import threading

import pytest

from dregsy_queue.ledger.admission import CLAIM_WITHIN
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.ledger.outcome import Copied, PutBack, RetryAfter
from dregsy_queue.ledger.quotas import Quotas
from dregsy_queue.ledger.registry_limits import FIRST_PAUSE, Limits, RegistryLimiter

from .conftest import Clock, Ledger, image


@pytest.fixture
def limiter(ledger: Ledger) -> RegistryLimiter:
    ledger.worker(slots=100)
    return RegistryLimiter(ledger.redis)


def jobs(number: int, task: str = "t") -> list[TransferJob]:
    return [image(n, task=task) for n in range(number)]


def plan(ledger: Ledger, number: int, task: str = "t", source: str = "src.example", target: str = "dst.example") -> str:
    """A planned run whose jobs wait."""
    run = ledger.start(task, source=source, target=target)
    (admitted,) = [job for job in ledger.admission.admit() if job.job == f"{run}:plan"]
    claim = ledger.claim(admitted)
    ledger.runs.add(claim, jobs(number, task))
    ledger.runs.end_plan(claim)
    return run


@pytest.mark.parametrize("side", ["src.example", "dst.example"])
def test_max_concurrent_counts_at_source_and_target(ledger: Ledger, limiter: RegistryLimiter, side: str) -> None:
    limiter.configure(side, Limits(max_concurrent=3))
    plan(ledger, 10)
    first = ledger.admission.admit()
    assert len(first) == 3 and ledger.admission.admit() == []
    claims = [ledger.claim(job) for job in first]
    ledger.claims.settle(claims[0], Copied(""), 0)
    ledger.claims.settle(claims[1], RetryAfter(100, ""), 0)
    assert len(ledger.admission.admit()) == 2
    # the other registry has no place taken by jobs that were not admitted
    assert ledger.redis.scard("dregsy:using:src.example") == ledger.redis.scard("dregsy:using:dst.example") == 3


def test_a_dead_workers_places_are_free_again(ledger: Ledger, limiter: RegistryLimiter) -> None:
    limiter.configure("src.example", Limits(max_concurrent=2))
    plan(ledger, 5)
    ledger.worker("dead")
    for job in ledger.admission.admit():
        ledger.claim(job, "dead")
    assert ledger.admission.admit() == []
    ledger.let_die("dead")
    ledger.admission.reap()
    assert len(ledger.admission.admit()) == 2


def test_the_window_of_transfers_slides(clock: Clock, ledger: Ledger, limiter: RegistryLimiter) -> None:
    limiter.configure("src.example", Limits(transfers=(5, 60)))
    plan(ledger, 20)
    starts: list[float] = []
    for _ in range(100):
        for job in ledger.admission.admit():
            starts.append(clock.now)
            ledger.claims.settle(ledger.claim(job), Copied(""), 0)
        clock.let_pass(5)
        ledger.worker(slots=100)
    assert len(starts) == 20
    waits = [later - first for first, later in zip(starts, starts[5:], strict=False)]
    assert min(waits) >= 60 and max(waits) <= 65


def test_a_transfer_counts_until_its_window_after_its_end(
    clock: Clock, ledger: Ledger, limiter: RegistryLimiter
) -> None:
    # Lua writes this time as less than it is.
    clock.now = 1795884434.00004
    clock.let_pass(0)
    ledger.worker(slots=100)
    limiter.configure("src.example", Limits(transfers=(5, 60)))
    plan(ledger, 20)
    claims = [ledger.claim(job) for job in ledger.admission.admit()]
    clock.let_pass(20)
    for claim in claims:
        ledger.claims.settle(claim, Copied(""), 0)
    clock.let_pass(59)
    ledger.worker(slots=100)
    assert len(claims) == 5 and ledger.admission.admit() == []
    clock.let_pass(2)
    assert len(ledger.admission.admit()) == 5


def test_a_job_that_never_ran_gives_its_place_back(clock: Clock, ledger: Ledger, limiter: RegistryLimiter) -> None:
    limiter.configure("src.example", Limits(transfers=(2, 3600)))
    plan(ledger, 5)
    assert len(ledger.admission.admit()) == 2
    clock.let_pass(CLAIM_WITHIN)
    ledger.worker(slots=100)
    assert len(ledger.admission.reap().unclaimed) == 2
    assert len(ledger.admission.admit()) == 2 and ledger.admission.admit() == []


def test_one_blocked_registry_holds_up_no_other(ledger: Ledger, limiter: RegistryLimiter) -> None:
    limiter.configure("slow.example", Limits(max_concurrent=1))
    plan(ledger, 50, "blocked", source="slow.example")
    plan(ledger, 10, "free", source="fast.example")
    tasks = [job.transfer.source.split("/")[1].split(":")[0] for job in ledger.admission.admit() if job.transfer]
    assert tasks.count("free") == 10 and tasks.count("blocked") <= 1


def test_many_refusals_are_one_pause(ledger: Ledger, limiter: RegistryLimiter) -> None:
    plan(ledger, 30)
    claims = [ledger.claim(job) for job in ledger.admission.admit()]
    results: list[tuple[float, bool]] = []
    threads = [
        threading.Thread(target=lambda job=claim.job: results.append(limiter.pause("src.example", None, job)))
        for claim in claims
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 30 and sum(new for _, new in results) == 1
    assert all(0 < seconds <= 5 * 1.25 for seconds, _ in results)
    for claim in claims:
        ledger.claims.settle(claim, PutBack(), 0)
    assert ledger.admission.admit() == []


def test_a_longer_wait_that_was_asked_for_counts(clock: Clock, limiter: RegistryLimiter) -> None:
    assert limiter.pause("src.example", 10) == (10, True)
    assert limiter.pause("src.example", 60) == (60, False)
    clock.let_pass(20)
    assert limiter.pause("src.example", 1) == (40, False)
    assert limiter.pauses() == {"src.example": 40}


def test_after_a_pause_one_transfer_tries_first(clock: Clock, ledger: Ledger, limiter: RegistryLimiter) -> None:
    plan(ledger, 20)
    (refused, *_) = [ledger.claim(job) for job in ledger.admission.admit(1)]
    first, _ = limiter.pause("src.example", None, refused.job)
    ledger.claims.settle(refused, PutBack(), 0)
    assert ledger.admission.admit() == []
    # Redis keeps it to a tenth of a millisecond.
    clock.let_pass(first + 0.001)
    (one,) = ledger.admission.admit()
    claim = ledger.claim(one)
    assert claim.attempt == 1, "a refusal is no attempt"
    assert ledger.admission.admit() == []
    # refused again: a longer pause
    seconds, new = limiter.pause("src.example", None, claim.job)
    assert new and seconds > 1.5 * FIRST_PAUSE * 0.75
    ledger.claims.settle(claim, PutBack(), 0)
    clock.let_pass(seconds + 0.001)
    ledger.worker(slots=100)
    (again,) = ledger.admission.admit()
    ledger.claims.settle(ledger.claim(again), Copied(""), 0)
    assert len(ledger.admission.admit()) == 19
    limiter.end_request("src.example", "any", good=True)
    assert limiter.pauses() == {}


def test_a_known_quota_is_not_overdrawn_and_is_asked_for_by_one(ledger: Ledger, limiter: RegistryLimiter) -> None:
    limiter.configure("src.example", Limits(reserve=2))
    Quotas(ledger.redis).observe("src.example", 10, 3600, 7)
    plan(ledger, 20)
    admitted = ledger.admission.admit()
    assert len(admitted) == 5, "7 left, 2 held back"
    (probe,) = Quotas(ledger.redis).probes()
    assert probe.task == "t" and probe.source.startswith("src.example/t:")
    assert Quotas(ledger.redis).probes() == [], "one worker asks"
    for job in admitted:
        ledger.claims.settle(ledger.claim(job), Copied(""), 0)
    assert ledger.admission.admit() == []
    Quotas(ledger.redis).observe("src.example", 10, 3600, 5)
    assert len(ledger.admission.admit()) == 3


def test_what_is_under_way_is_not_counted_twice_or_never(ledger: Ledger, limiter: RegistryLimiter) -> None:
    Quotas(ledger.redis).observe("src.example", 10, 3600, 10)
    plan(ledger, 20)
    assert len(ledger.admission.admit()) == 10
    # the registry has seen none of them yet
    Quotas(ledger.redis).observe("src.example", 10, 3600, 10)
    assert ledger.admission.admit() == []


def test_a_request_whose_permission_got_lost_may_be_sent(ledger: Ledger) -> None:
    """It would wait for its own end, two minutes, where one request is the limit."""
    limiter = RegistryLimiter(ledger.redis)
    assert limiter.start_request("src.example", "one", (1, 5)) == 0
    assert limiter.start_request("src.example", "one", (1, 5)) == 0, "as redis-py asks again"
    assert limiter.start_request("src.example", "two", (1, 5)) > 0


def test_requests_of_all_workers_share_a_rate(clock: Clock, ledger: Ledger) -> None:
    workers, sent = [RegistryLimiter(ledger.redis) for _ in range(6)], list[float]()
    for number in range(60):
        own = workers[number % 6]
        while wait := own.start_request("src.example", str(number), (10, 30)):
            assert 0 < wait <= 30
            clock.let_pass(wait)
        sent.append(clock.now)
        own.end_request("src.example", str(number), good=True)
    waits = [later - first for first, later in zip(sent, sent[10:], strict=False)]
    assert min(waits) >= 29.99 and max(waits) < 31, "ten in any 30 s, and no fewer"


def test_a_waiting_job_takes_little_memory(ledger: Ledger, limiter: RegistryLimiter) -> None:
    limiter.pause("src.example", 3600)
    before = ledger.redis.info("memory")["used_memory"]
    limiter.configure("other.example", Limits())
    ledger.start("many", source="other.example")
    (admitted,) = ledger.admission.admit()
    claim = ledger.claim(admitted)
    limiter.pause("other.example", 3600)
    ledger.runs.add(claim, [image(n, task="team/application-with-a-name") for n in range(5000)])
    used = ledger.redis.info("memory")["used_memory"] - before
    assert used / 5000 < 2048
