"""Redis' clock is set back by an hour (it was wrong, or another machine's Redis took over): nothing waits for it."""

from __future__ import annotations

import json

import pytest

from dregsy_queue.ledger.admission import CLAIM_WITHIN
from dregsy_queue.ledger.blobs import BlobIndex
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.outcome import RetryAfter
from dregsy_queue.ledger.presence import LEASE
from dregsy_queue.ledger.registry_limits import Limits, RegistryLimiter
from dregsy_queue.ledger.roles import Roles
from tests.integration.ledger.conftest import Clock, Ledger, image

HOUR = 3600.0


def set_back(clock: Clock, ledger: Ledger) -> None:
    """As it goes in a cluster: workers look once a second, before it and after it."""
    ledger.admission.reap()
    clock.let_pass(-HOUR)
    ledger.admission.reap()


@pytest.mark.parametrize("number", [3, 1200])
def test_delayed_jobs_wait_as_long_as_before(clock: Clock, ledger: Ledger, number: int) -> None:
    ledger.worker(slots=number)
    ledger.planned(image(n) for n in range(number))
    while batch := ledger.admission.admit():
        for admitted in batch:
            ledger.claims.settle(ledger.claim(admitted), RetryAfter(10, "busy"), 1)
    clock.let_pass(5)
    set_back(clock, ledger)
    for _ in range(number // 200):
        ledger.admission.reap()
    ledger.worker(slots=number)
    clock.let_pass(4)
    ledger.admission.reap()
    assert ledger.admission.admit() == []
    clock.let_pass(1.1)
    for _ in range(1 + number // 200):
        ledger.worker(slots=number)
        ledger.admission.reap()
    again = 0
    while batch := ledger.admission.admit():
        again += len(batch)
    assert again == number
    assert list(ledger.redis.scan_iter("*postponed*", count=1000)) == []


def test_what_a_dead_worker_held_and_what_nobody_claimed_runs_again(clock: Clock, ledger: Ledger) -> None:
    ledger.worker("w1")
    ledger.planned([image(1), image(2)])
    ledger.worker("dead")
    held, unclaimed = ledger.admission.admit()
    ledger.claim(held, "dead")
    set_back(clock, ledger)
    for _ in range(int(max(LEASE, CLAIM_WITHIN)) + 1):
        clock.let_pass(1)
        ledger.worker("w1")
        ledger.admission.reap()
    assert {job.job for job in ledger.admission.admit()} == {held.job, unclaimed.job}
    assert [worker.name for worker in ledger.presence.workers()] == ["w1"]


def test_a_living_worker_keeps_its_jobs(clock: Clock, ledger: Ledger) -> None:
    ledger.worker("w1")
    ledger.planned([image(1)])
    (admitted,) = ledger.admission.admit()
    claim = ledger.claim(admitted)
    set_back(clock, ledger)
    for _ in range(30):
        clock.let_pass(1)
        ledger.presence.heartbeat("w1", slots=4, kinds=("skopeo",), in_hand=[(claim.job, claim.epoch)])
        assert ledger.admission.reap().taken == []


def test_limits_count_no_further_than_their_window(clock: Clock, ledger: Ledger) -> None:
    limiter = RegistryLimiter(ledger.redis)
    limiter.configure("src.example", Limits(transfers=(2, 60)))
    ledger.worker()
    ledger.planned(image(n) for n in range(4))
    assert len(ledger.admission.admit()) == 2
    for number in range(3):
        limiter.start_request("src.example", f"before {number}", (3, 1.0))
        limiter.end_request("src.example", f"before {number}", good=True)
    set_back(clock, ledger)
    ledger.worker(slots=10)
    assert ledger.admission.admit() == [], "for all that is known these transfers have just begun"
    assert limiter.start_request("src.example", "at once", (3, 1.0)) > 0
    clock.let_pass(1.1)
    assert limiter.start_request("src.example", "later", (3, 1.0)) == 0
    clock.let_pass(60)
    ledger.worker(slots=10)
    assert len(ledger.admission.admit()) == 2


def test_pauses_are_as_long_as_they_were(clock: Clock, ledger: Ledger) -> None:
    limiter = RegistryLimiter(ledger.redis)
    limiter.pause("src.example", 20)
    Orders(ledger.redis).hold("task", "t", 60, "")
    set_back(clock, ledger)
    assert limiter.pauses() == {"src.example": pytest.approx(20, abs=0.01)}
    hold = json.loads(ledger.redis.hgetall(key("holds"))["task t"])
    assert (hold["since"], hold["until"]) == (
        pytest.approx(clock.now, abs=0.01),
        pytest.approx(clock.now + 60, abs=0.01),
    )


def test_an_order_is_carried_out(clock: Clock, ledger: Ledger) -> None:
    orders = Orders(ledger.redis)
    orders.run("t")
    set_back(clock, ledger)
    assert orders.take("t", least_age=4)
    set_back(clock, ledger)
    assert orders.take("t"), "who took it before may be gone"
    assert orders.take("t") is None


def test_a_lead_that_outlasts_the_lock_is_taken_over(ledger: Ledger) -> None:
    roles, blobs = Roles(ledger.redis), BlobIndex(ledger.redis)
    roles.lead("gone#1", HOUR)
    assert roles.lead("next#1", 10) == "anew"
    assert roles.lead("other#1", 10) == "no"
    blob = f"sha256:{1:064x}"
    blobs.lead("dst.example", blob, "gone")
    (lease,) = ledger.redis.scan_iter("*moving:*", count=1000)
    ledger.redis.delete(lease)
    ledger.redis.set(lease, "gone", ex=int(HOUR))
    assert blobs.lead("dst.example", blob, "next") == "mine"
    assert blobs.lead("dst.example", blob, "other") == "taken"


def test_a_role_that_is_gone_does_not_live(clock: Clock, ledger: Ledger) -> None:
    roles = Roles(ledger.redis)
    roles.renew("worker", "gone#1")
    set_back(clock, ledger)
    roles.renew("worker", "lives#1")
    scores = dict(ledger.redis.zrange(key("roles", "worker"), 0, -1, withscores=True))
    assert max(scores.values()) < clock.now + LEASE + 1
