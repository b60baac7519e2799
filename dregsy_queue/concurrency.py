"""Small asyncio tools: a bounded "as completed", many streams as one, and one call for many who want the same."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Hashable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar


class Threads(ThreadPoolExecutor):
    """Where this machine, or this container, gives no more threads, those that are there do the work. Python's own pool
    raises RuntimeError for a call that it does all the same."""

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                raise

    def begin(self) -> None:
        """Start the first thread. Raises: RuntimeError, when not even that is to be had."""
        self.submit(int).result()


#: For calls to clouds: logins, repositories.
CLOUD_THREADS = Threads(8, "cloud")

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
V = TypeVar("V")


def completed(coroutines: Iterable[Coroutine[Any, Any, V]], limit: int) -> AsyncGenerator[V, None]:
    """Results as they come, with at most `limit` coroutines under way; the iterable is drawn on demand.

    The first exception ends it: what is under way is cancelled, and nothing is drawn any more.
    """

    async def result(coroutine: Coroutine[Any, Any, V], give: _Give[V]) -> None:
        await give(await coroutine)

    return _worked(coroutines, limit, result)


def merged(streams: Iterable[AsyncGenerator[V, None]], limit: int) -> AsyncGenerator[V, None]:
    """What many streams give, as it comes, with at most `limit` of them under way; the iterable is drawn on demand.

    The first exception ends it: what is under way is cancelled, and nothing is drawn any more.
    """

    async def drain(stream: AsyncGenerator[V, None], give: _Give[V]) -> None:
        async with contextlib.aclosing(stream):
            async for value in stream:
                await give(value)

    return _worked(streams, limit, drain)


_Give = Callable[[V], Awaitable[None]]


async def _worked(
    items: Iterable[T], limit: int, handle: Callable[[T, _Give[V]], Awaitable[None]]
) -> AsyncGenerator[V, None]:
    """What `handle` gives of `items`, each of which the next free one of `limit` tasks takes."""
    source = iter(items)
    tasks: set[asyncio.Task[None]] = set()
    #: values, and at last how the tasks ended; as many values wait as there may be tasks
    results: asyncio.Queue[tuple[V] | asyncio.Task[None]] = asyncio.Queue()
    room = asyncio.Semaphore(limit)

    async def give(value: V) -> None:
        await room.acquire()
        results.put_nowait((value,))

    async def work() -> None:
        for item in source:
            if len(tasks) < limit:
                begin()
            await handle(item, give)

    def begin() -> None:
        task = asyncio.create_task(work())
        tasks.add(task)
        task.add_done_callback(ended)

    def ended(task: asyncio.Task[None]) -> None:
        tasks.remove(task)
        failed = task.cancelled() or task.exception() is not None
        if failed or not tasks:
            results.put_nowait(task)
        for other in tasks if failed else ():
            other.cancel()

    begin()
    try:
        while isinstance(found := await results.get(), tuple):
            room.release()
            yield found[0]
        found.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def in_threads(threads: Executor, call: Callable[[], V]) -> V:
    """Run a blocking `call` in one of these threads. Daemons and clouds have threads of their own, so that calls to
    Redis never wait for them."""
    return await asyncio.get_running_loop().run_in_executor(threads, contextvars.copy_context().run, call)


#: Bigger documents, in bytes, are parsed in a thread: the event loop must not stand still for them.
_MUCH = 128 * 1024


async def parsed(body: bytes, parse: Callable[[], V]) -> V:
    """What `parse` makes of `body`, in a thread where that takes its time."""
    return await asyncio.to_thread(parse) if len(body) > _MUCH else parse()


async def together(coroutines: Iterable[Coroutine[Any, Any, V]]) -> list[V]:
    """Run all at once. The first exception cancels the others and is raised when they have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    return [task.result() for task in tasks]


async def both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, V]) -> tuple[T, V]:
    """Run two at once. An exception of `one` cancels the other; one of `other` is raised when `one` has ended."""
    task = asyncio.create_task(other)
    try:
        return await one, await task
    except BaseException:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


@dataclass
class _Call(Generic[V]):
    task: asyncio.Task[V]
    waiting: int = 0


class Shared(Generic[K, V]):
    """Lets callers that ask for the same at once share one call; when nobody waits for it any more, it is cancelled."""

    def __init__(self) -> None:
        self._calls: dict[K, _Call[V]] = {}

    async def run(self, key: K, call: Callable[[], Coroutine[Any, Any, V]]) -> V:
        found = self._calls.get(key)
        # A call that has just ended is not shared: who retries after its error would get the same error again.
        if found is None or found.task.done():
            found = self._calls[key] = _Call(asyncio.create_task(call()))
            found.task.add_done_callback(lambda _: self._forget(key, found))
        found.waiting += 1
        try:
            return await asyncio.shield(found.task)
        finally:
            found.waiting -= 1
            if not found.waiting and not found.task.done():
                self._forget(key, found)
                found.task.cancel()
                await asyncio.wait([found.task])

    def _forget(self, key: K, call: _Call[V]) -> None:
        if self._calls.get(key) is call:
            del self._calls[key]


class SingleFlight(Generic[K, V]):
    """Lets callers that ask for the same at once share one call, and remembers its result where wanted.

    A call that fails is not remembered: all who shared it get its error, and the next caller tries again.
    """

    def __init__(self) -> None:
        self._calls: dict[K, asyncio.Task[V]] = {}

    async def run(self, key: K, call: Callable[[], Coroutine[Any, Any, V]], *, remember: bool = True) -> V:
        task = self._calls.get(key)
        # One that has just ended, and is to be forgotten, is not shared: who asks in a loop would get it for ever.
        if task is None or (task.done() and not (remember and _is_good(task))):
            task = self._calls[key] = asyncio.create_task(call())

            def forget(done: asyncio.Task[V]) -> None:
                if not (remember and _is_good(done)) and self._calls.get(key) is done:
                    del self._calls[key]

            task.add_done_callback(forget)
        # One caller that is cancelled must not cancel the call of the others.
        return await asyncio.shield(task)

    def forget(self, key: K) -> None:
        """The next caller asks anew."""
        self._calls.pop(key, None)


def _is_good(ended: asyncio.Task[Any]) -> bool:
    return not ended.cancelled() and ended.exception() is None
