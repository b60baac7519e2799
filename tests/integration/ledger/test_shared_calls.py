"""Scripts of many threads share round trips, and each gets what is its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import RedisError, ResponseError

from dregsy_queue.ledger.claims import Claim
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.outcome import Copied
from dregsy_queue.ledger.scripts import Call
from dregsy_queue.ledger.shared_calls import SharedScripts
from tests.integration.ledger.conftest import Ledger, image
from tests.lab.redis import RedisServer

JOBS, THREADS = 200, 16


def test_jobs_of_many_threads_are_claimed_and_settled_once(ledger: Ledger, redis_server: RedisServer) -> None:
    """Two threads try each job."""
    ledger.worker(slots=JOBS)
    ledger.planned(image(number) for number in range(JOBS))
    admitted = ledger.admission.admit(JOBS)
    before = redis_server.client().info("stats")["total_reads_processed"]

    def do(index: int) -> Claim | None:
        job = admitted[index % JOBS]
        claim = ledger.claims.take(job.job, job.epoch, "w1")
        if claim and claim.transfer:
            ledger.claims.settle(claim, Copied(claim.transfer.digest), 1.0)
        return claim

    with ThreadPoolExecutor(THREADS) as threads:
        claims = [claim for claim in threads.map(do, range(2 * JOBS)) if claim]
    assert sorted(claim.job for claim in claims) == sorted(job.job for job in admitted)
    assert all(claim.transfer and claim.transfer.source in claim_source(ledger, claim) for claim in claims)
    counts = ledger.reader.newest("t")
    assert counts and (counts.copied, counts.done) == (JOBS, True)
    assert redis_server.client().info("stats")["total_reads_processed"] - before < 3 * JOBS


def claim_source(ledger: Ledger, claim: Claim) -> str:
    """What the ledger has under the job that this claim names."""
    return ledger.redis.hget(f"dregsy:run:{claim.run}:jobs", claim.job) or ""


def together(calls: list[Callable[[], object]], first: Callable[[], object]) -> list[object]:
    """What came of `calls`, which all wait while `first` is under way; errors as values."""
    with ThreadPoolExecutor(len(calls) + 1) as threads:

        def caught(call: Callable[[], object]) -> object:
            try:
                return call()
            except (RedisError, OSError) as error:
                return error

        leading = threads.submit(caught, first)
        found = [future.result() for future in [threads.submit(caught, call) for call in calls]]
        leading.result()
    return found


class Slow(SharedScripts):
    """Its first round trip begins when all others wait."""

    def __init__(self, url: str, others: int) -> None:
        super().__init__(connect(url, patient=False))
        self._others = others
        self.first = threading.Event()

    def _send(self, calls: Sequence[Call]) -> list[Any]:
        if not self.first.is_set():
            self.first.set()
            while len(self._waiting) < self._others:
                pass
        return super()._send(calls)


def test_an_error_is_its_callers_alone(redis_server: RedisServer) -> None:
    scripts = Slow(redis_server.url, others=3)
    found = together(
        [
            lambda: scripts.first.wait() and scripts.run("claim", "1-a:x", 1, "w1", "t"),
            lambda: scripts.first.wait() and scripts.run("settle", "1-a:x", 1, "w1", "copied", "no number"),
            lambda: scripts.first.wait() and scripts.run("claim", "1-a:y", 1, "w1", "t"),
        ],
        first=lambda: scripts.run("claim", "1-a:z", 1, "w1", "t"),
    )
    assert found[0] is None and found[2] is None
    assert isinstance(found[1], ResponseError) and "not a number" in str(found[1])


@pytest.mark.parametrize("loss", ["SCRIPT FLUSH", "killed"])
def test_a_redis_that_forgot_or_died(redis_server: RedisServer, loss: str) -> None:
    scripts = Slow(redis_server.url, others=2)

    def lose() -> None:
        if loss == "killed":
            redis_server.kill()
        else:
            redis_server.client().script_flush()

    calls: list[Callable[[], object]] = [
        lambda: scripts.first.wait() and scripts.run("claim", "1-a:x", 1, "w1", "t") for _ in range(2)
    ]

    def first() -> None:
        lose()
        scripts.run("claim", "1-a:z", 1, "w1", "t")

    found = together(calls, first)
    if loss == "killed":
        assert all(isinstance(error, RedisError | OSError) for error in found)
        redis_server.start()
    assert scripts.run("claim", "1-a:x", 1, "w1", "t") is None
    if loss != "killed":
        assert found == [None, None]
