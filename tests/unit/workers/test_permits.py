"""Permits at a registry: who waits, who goes on, and what is told of it."""

from __future__ import annotations

import asyncio

from dregsy_queue.ledger.levels import Level
from tests.lab.clock import FakeClock
from workers.permits import FIRST, Permits

OPEN = Level(1, None, None, 0.0, 2.0)


def shared(share: int, epoch: int = 2, counts_after: float = 0.0) -> Level:
    return Level(epoch, 4.0 * share, share, counts_after, 1.0)


async def taken(permits: Permits, number: int, each: int = 1) -> list[asyncio.Task[None]]:
    """So many that want permits at once, one after the other."""
    tasks = [asyncio.create_task(permits.take(each)) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


async def test_only_a_share_is_under_way_and_those_who_wait_come_in_order() -> None:
    permits = Permits(FakeClock())
    permits.hear(shared(2))
    tasks = await taken(permits, 5)
    assert [task.done() for task in tasks] == [True, True, False, False, False]
    assert (permits.under_way, permits.waiting) == (2, 3)
    permits.leave()
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, True, True, False, False]
    permits.hear(shared(4, epoch=3))
    await asyncio.gather(*tasks)
    assert (permits.under_way, permits.waiting) == (4, 0)


async def test_who_does_not_wait_is_counted() -> None:
    permits = Permits(FakeClock())
    permits.hear(shared(1))
    await permits.take()
    await permits.take(waits=False)
    (task,) = await taken(permits, 1)
    permits.leave()
    await asyncio.sleep(0)
    assert (permits.under_way, task.done()) == (1, False)
    permits.leave()
    await task


async def test_two_permits_are_taken_at_once_or_none_and_one_is_enough_where_no_more_are() -> None:
    permits = Permits(FakeClock())
    permits.hear(shared(3))
    tasks = await taken(permits, 2, each=2)
    assert [task.done() for task in tasks] == [True, False], "no permit is held by one who waits"
    permits.hear(shared(1, epoch=3))
    permits.leave(2)
    await asyncio.wait_for(tasks[1], 5)


async def test_one_who_gives_up_holds_nothing_up() -> None:
    permits = Permits(FakeClock())
    permits.hear(shared(1))
    tasks = await taken(permits, 3)
    tasks[1].cancel()
    permits.leave()
    await tasks[2]
    permits.leave()
    assert (permits.under_way, permits.waiting) == (0, 0)


async def test_one_who_gives_up_just_when_let_in_gives_the_permit_back() -> None:
    permits = Permits(FakeClock())
    permits.hear(shared(1))
    tasks = await taken(permits, 3)
    permits.leave()
    tasks[1].cancel()
    await tasks[2]
    assert (permits.under_way, permits.waiting) == (1, 0)


async def test_where_no_level_is_known_more_begin_with_each_answer_while_answers_take_no_longer() -> None:
    clock = FakeClock()
    permits = Permits(clock)
    await taken(permits, 60)
    assert permits.under_way == FIRST
    for _ in range(10):
        permits.answered(clock.now, "GET", 0.1)
    assert permits.under_way == FIRST + 20
    permits.answered(clock.now, "GET", 0.5)
    assert permits.under_way == FIRST + 20, "it took longer"
    permits.hear(OPEN)
    assert permits.under_way > FIRST + 20, "the fleet sees nothing in the way"


async def test_figures_tell_of_what_began_under_this_level() -> None:
    clock = FakeClock()
    permits = Permits(clock)
    await taken(permits, 2)
    began = clock.now
    permits.hear(shared(2, counts_after=3.0))
    clock.now += 4
    permits.answered(began, "GET", 4.0)
    permits.failed(began)
    figures = permits.figures()
    assert (figures.epoch, figures.seconds, figures.flight, figures.wanted) == (2, 1.0, 2.0, 2.0)
    assert (figures.answers, figures.failures, figures.times) == (0, 0, {})
    later = clock.now
    clock.now += 1
    permits.answered(later, "GET", 0.5)
    permits.answered(later, "", 9.0)
    permits.failed(later)
    permits.served(later)
    figures = permits.figures()
    assert (figures.answers, figures.failures, figures.served) == (3, 1, 1.0)
    assert figures.times == {"GET": (1, 0.5)}
    assert permits.figures().answers == 0, "nothing is told twice"


async def test_a_share_stays_and_what_was_open_begins_anew_after_a_rest() -> None:
    permits = Permits(FakeClock())
    permits.limit = 50
    permits.rest()
    assert permits.limit == FIRST
    permits.hear(shared(2))
    permits.rest()
    assert permits.limit == 2
