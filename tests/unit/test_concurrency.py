from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from dregsy_queue.concurrency import Shared, merged


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
