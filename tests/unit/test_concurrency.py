from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator

import pytest

from dregsy_queue.concurrency import Shared, SingleFlight, Threads, both, completed, merged


async def test_streams_are_merged_as_they_give_and_an_exception_closes_all() -> None:
    closed = []

    async def numbers(start: int) -> AsyncGenerator[int, None]:
        try:
            for number in range(start, start + 100):
                yield number
        finally:
            closed.append(start)

    async def broken() -> AsyncGenerator[int, None]:
        yield -1
        await asyncio.sleep(0)
        raise ValueError("no more")

    assert sorted([n async for n in merged((numbers(s) for s in (0, 100, 200)), 2)]) == list(range(300))
    assert sorted(closed) == [0, 100, 200]
    closed.clear()
    with pytest.raises(ValueError, match="no more"):
        async for _ in merged((stream for stream in (broken(), *(numbers(s) for s in (0, 1, 2)))), 2):
            await asyncio.sleep(0.001)
    # one was drawn beside the broken stream; the others never were
    assert closed == [0]


async def test_results_come_with_so_many_under_way_and_what_nobody_takes_is_waited_for() -> None:
    begun = under_way = most = 0

    async def number(wanted: int) -> int:
        nonlocal begun, under_way, most
        begun, under_way = begun + 1, under_way + 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return wanted

    assert sorted([n async for n in completed(map(number, range(50)), 3)]) == list(range(50))
    assert most == 3
    begun = 0
    async with contextlib.aclosing(completed(map(number, range(50)), 3)) as results:
        await anext(results)
        for _ in range(100):
            await asyncio.sleep(0)
        # one was taken, three wait to be, and three more until there is room for them
        assert begun == 7


async def test_the_first_exception_cancels_what_is_under_way() -> None:
    ended = []

    async def last(number: int) -> int:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(number)
        return number

    async def fail() -> int:
        await asyncio.sleep(0)
        raise ValueError("no more")

    coroutines = (fail() if number == 1 else last(number) for number in range(10))
    with pytest.raises(ValueError, match="no more"):
        async for _ in completed(coroutines, 3):
            pass
    assert sorted(ended) == [0, 2]


async def test_of_two_the_one_that_fails_ends_the_other() -> None:
    ended = []

    async def last() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("last")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def value() -> int:
        return 1

    assert await both(value(), value()) == (1, 1)
    with pytest.raises(ValueError, match="no"):
        await both(fail(), last())
    with pytest.raises(ValueError, match="no"):
        await both(value(), fail())
    assert ended == ["last"]


async def test_a_shared_call_that_has_just_failed_is_not_joined() -> None:
    """Between its end and its callbacks there is a moment: who came then and tried again had its error for ever."""
    shared = Shared[str, int]()
    late: list[asyncio.Task[int]] = []

    async def good() -> int:
        return 7

    async def fail() -> int:
        # It is next in line, so it runs before the callbacks of this task.
        late.append(asyncio.create_task(shared.run("key", good)))
        raise ValueError("the first call")

    with pytest.raises(ValueError, match="the first call"):
        await shared.run("key", fail)
    assert await late[0] == 7


@pytest.mark.parametrize("fails", [False, True])
async def test_a_call_that_has_just_ended_and_is_forgotten_is_not_joined(fails: bool) -> None:
    flight = SingleFlight[str, int]()
    calls = 0
    late: list[asyncio.Task[int]] = []

    async def call() -> int:
        nonlocal calls
        calls += 1
        if not late:
            # It is next in line, so it runs before the callbacks of this task.
            late.append(asyncio.create_task(flight.run("key", call, remember=fails)))
            if fails:
                raise ValueError("the first call")
        return calls

    if fails:
        with pytest.raises(ValueError, match="the first call"):
            await flight.run("key", call)
    else:
        assert await flight.run("key", call, remember=False) == 1
    assert await late[0] == 2
    assert await flight.run("key", call) == (2 if fails else 3)


def test_where_no_more_threads_can_be_started_those_that_are_there_do_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, done = Threads(8), threading.Event()
    threads.begin()
    first = threads.submit(done.wait, 10)

    def refuse(self: threading.Thread) -> None:
        # what Python raises at a limit of processes (pthread_create(3), EAGAIN)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    others = [threads.submit(int, number) for number in range(20)]
    done.set()
    assert first.result(10) and [other.result(10) for other in others] == list(range(20))
    with pytest.raises(RuntimeError, match="new thread"):
        Threads(8).begin()
    threads.shutdown()
