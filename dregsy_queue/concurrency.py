"""Two small asyncio tools: a bounded "as completed", and one call for many who want the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


async def completed(coroutines: Iterable[Coroutine[Any, Any, V]], limit: int) -> AsyncIterator[V]:
    """Results as they come, with at most `limit` coroutines under way; the iterable is drawn on demand.

    The first exception ends it: what is under way is cancelled, and nothing is drawn any more.
    """
    source = iter(coroutines)
    under_way: set[asyncio.Task[V]] = set()
    try:
        while True:
            while len(under_way) < limit and (coroutine := next(source, None)) is not None:
                under_way.add(asyncio.create_task(coroutine))
            if not under_way:
                return
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


class SingleFlight(Generic[K, V]):
    """Lets callers that ask for the same at once share one call, and remembers its result where wanted.

    A call that fails is not remembered: who shared it gets its error, the next one asks anew.
    """

    def __init__(self) -> None:
        self._calls: dict[K, asyncio.Task[V]] = {}

    async def run(self, key: K, call: Callable[[], Coroutine[Any, Any, V]], *, remember: bool = True) -> V:
        task = self._calls.get(key)
        if task is None:
            task = self._calls[key] = asyncio.create_task(call())

            def forget(done: asyncio.Task[V]) -> None:
                if not remember or done.cancelled() or done.exception() is not None:
                    self._calls.pop(key, None)

            task.add_done_callback(forget)
        # One caller that is cancelled must not cancel the call of the others.
        return await asyncio.shield(task)
