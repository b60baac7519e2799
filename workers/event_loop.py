"""One event loop for all slots of a worker, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

import uvloop

from dregsy_queue.concurrency import Threads

T = TypeVar("T")

__all__ = ["CancelledError", "EventLoopThread"]


class EventLoopThread:
    """Runs coroutines for other threads, each under a name by which it can be cancelled."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        # For calls to Redis; what waits for daemons and clouds has threads of its own.
        threads = Threads(32, "redis")
        threads.begin()
        self._loop.set_default_executor(threads)
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._closed_to_named = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="event-loop", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], name: str = "") -> T:
        """Run `coroutine` on the loop and wait for it.

        Raises:
            CancelledError: `cancel(name)` or `cancel_all` was called; the coroutine has been cleaned up by then.
        """

        async def named() -> T:
            task = asyncio.current_task()
            assert task is not None
            if name:
                if self._closed_to_named:
                    coroutine.close()
                    raise asyncio.CancelledError
                self._tasks[name] = task
            try:
                return await coroutine
            finally:
                if self._tasks.get(name) is task:
                    del self._tasks[name]

        return asyncio.run_coroutine_threadsafe(named(), self._loop).result()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run `coroutine` on the loop and wait for nothing; it has to deal with its errors itself."""
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def names(self) -> set[str]:
        """Names of the coroutines under way."""
        return set(self._tasks.copy())

    def cancel(self, name: str) -> None:
        """Cancel the coroutine of this name, if it still runs."""

        def cancel() -> None:
            task = self._tasks.get(name)
            if task is not None:
                task.cancel()

        self._loop.call_soon_threadsafe(cancel)

    def cancel_all(self) -> None:
        """Cancel all named coroutines, and from now on those that are about to begin."""

        def cancel() -> None:
            self._closed_to_named = True
            for task in self._tasks.values():
                task.cancel()

        self._loop.call_soon_threadsafe(cancel)

    def close(self) -> None:
        """Stop the loop; nothing may be under way any more."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
