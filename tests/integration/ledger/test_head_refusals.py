"""Registries whose HEADs do not work are known to all workers, and what is read instead counts as a pull."""

from __future__ import annotations

import asyncio

from dregsy_queue.ledger.head_refusals import HeadRefusals
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.registry_limits import Limits, RegistryLimiter
from dregsy_queue.registry.head_memory import DAY
from tests.lab.clock import FakeClock
from workers.head_memory import EVERY, ClusterHeadMemory

from .conftest import Ledger, image

HOST = "src.example"


def test_what_one_worker_finds_out_the_others_know_for_a_day(ledger: Ledger) -> None:
    clock = FakeClock()
    one, other = (ClusterHeadMemory(HeadRefusals(ledger.redis), clock) for _ in range(2))

    async def run() -> None:
        assert not await one.is_refused(HOST) and not await other.is_refused(HOST)
        await one.remember(HOST, DAY)
        assert await one.is_refused(HOST) and not await one.is_refused("else.example")
        assert not await other.is_refused(HOST), "it asks once a minute"
        clock.now += EVERY
        assert await other.is_refused(HOST)
        clock.now += DAY + EVERY
        ledger.redis.delete(key("head refusals"))
        assert not await one.is_refused(HOST) and not await other.is_refused(HOST)

    asyncio.run(run())


def test_the_longer_time_counts_and_what_is_over_goes(ledger: Ledger) -> None:
    refusals = HeadRefusals(ledger.redis)
    refusals.remember(HOST, DAY)
    refusals.remember(HOST, 5)
    refusals.remember("gone.example", -1)
    assert refusals.all()[HOST] > DAY - 60
    assert list(refusals.all()) == [HOST]


def test_a_pull_in_place_of_a_head_takes_a_place_in_the_window(ledger: Ledger) -> None:
    ledger.worker(slots=100)
    RegistryLimiter(ledger.redis).configure(HOST, Limits(transfers=(3, 3600)))
    refusals = HeadRefusals(ledger.redis)
    for _ in range(2):
        refusals.pulled(HOST)
    refusals.pulled("no-limit.example")
    assert ledger.redis.zcard(key("window", "no-limit.example")) == 0
    run = ledger.start(source=HOST)
    (admitted,) = [job for job in ledger.admission.admit() if job.job == f"{run}:plan"]
    plan = ledger.claim(admitted)
    ledger.runs.add(plan, [image(number) for number in range(5)])
    ledger.runs.end_plan(plan)
    assert len(ledger.admission.admit()) == 1, "two of three places are taken"
