"""Places at a registry: who waits, who goes on, and what is told of it."""

from __future__ import annotations

import asyncio

from dregsy_queue.ledger.levels import Level
from tests.lab.clock import FakeClock
from workers.places import FIRST, Places

OPEN = Level(1, None, None, 0.0, 2.0)


def shared(share: int, epoch: int = 2, counts_after: float = 0.0) -> Level:
    return Level(epoch, 4.0 * share, share, counts_after, 1.0)


async def taken(places: Places, number: int, each: int = 1) -> list[asyncio.Task[None]]:
    """So many that want places at once, one after the other."""
    tasks = [asyncio.create_task(places.take(each)) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


async def test_only_a_share_is_under_way_and_those_who_wait_come_in_order() -> None:
    places = Places(FakeClock())
    places.hear(shared(2))
    tasks = await taken(places, 5)
    assert [task.done() for task in tasks] == [True, True, False, False, False]
    assert (places.under_way, places.waiting) == (2, 3)
    places.leave()
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, True, True, False, False]
    places.hear(shared(4, epoch=3))
    await asyncio.gather(*tasks)
    assert (places.under_way, places.waiting) == (4, 0)


async def test_who_does_not_wait_is_counted() -> None:
    places = Places(FakeClock())
    places.hear(shared(1))
    await places.take()
    await places.take(waits=False)
    (task,) = await taken(places, 1)
    places.leave()
    await asyncio.sleep(0)
    assert (places.under_way, task.done()) == (1, False)
    places.leave()
    await task


async def test_two_places_are_taken_at_once_or_none_and_one_is_enough_where_no_more_are() -> None:
    places = Places(FakeClock())
    places.hear(shared(3))
    tasks = await taken(places, 2, each=2)
    assert [task.done() for task in tasks] == [True, False], "no place is held by one who waits"
    places.hear(shared(1, epoch=3))
    places.leave(2)
    await asyncio.wait_for(tasks[1], 5)


async def test_one_who_gives_up_holds_nothing_up() -> None:
    places = Places(FakeClock())
    places.hear(shared(1))
    tasks = await taken(places, 3)
    tasks[1].cancel()
    places.leave()
    await tasks[2]
    places.leave()
    assert (places.under_way, places.waiting) == (0, 0)


async def test_one_who_gives_up_just_when_let_in_gives_the_place_back() -> None:
    places = Places(FakeClock())
    places.hear(shared(1))
    tasks = await taken(places, 3)
    places.leave()
    tasks[1].cancel()
    await tasks[2]
    assert (places.under_way, places.waiting) == (1, 0)


async def test_where_no_level_is_known_more_begin_with_each_answer_while_answers_take_no_longer() -> None:
    clock = FakeClock()
    places = Places(clock)
    await taken(places, 60)
    assert places.under_way == FIRST
    for _ in range(10):
        places.answered(clock.now, "GET", 0.1)
    assert places.under_way == FIRST + 20
    places.answered(clock.now, "GET", 0.5)
    assert places.under_way == FIRST + 20, "it took longer"
    places.hear(OPEN)
    assert places.under_way > FIRST + 20, "the fleet sees nothing in the way"


async def test_figures_tell_of_what_began_under_this_level() -> None:
    clock = FakeClock()
    places = Places(clock)
    await taken(places, 2)
    began = clock.now
    places.hear(shared(2, counts_after=3.0))
    clock.now += 4
    places.answered(began, "GET", 4.0)
    places.failed(began)
    figures = places.figures()
    assert (figures.epoch, figures.seconds, figures.flight, figures.wanted) == (2, 1.0, 2.0, 2.0)
    assert (figures.answers, figures.failures, figures.times) == (0, 0, {})
    later = clock.now
    clock.now += 1
    places.answered(later, "GET", 0.5)
    places.answered(later, "", 9.0)
    places.failed(later)
    places.served(later)
    figures = places.figures()
    assert (figures.answers, figures.failures, figures.served) == (3, 1, 1.0)
    assert figures.times == {"GET": (1, 0.5)}
    assert places.figures().answers == 0, "nothing is told twice"


async def test_a_share_stays_and_what_was_open_begins_anew_after_a_rest() -> None:
    places = Places(FakeClock())
    places.limit = 50
    places.rest()
    assert places.limit == FIRST
    places.hear(shared(2))
    places.rest()
    assert places.limit == 2
