"""An event loop in a thread of its own: for servers that tests start and stop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Its result. Raises: what it raises; TimeoutError."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    def hold_up(self, seconds: float) -> None:
        """Nothing else runs in it for so long, from its next round on."""
        self._loop.call_soon_threadsafe(time.sleep, seconds)

    def stop(self) -> None:
        """End the thread, and what still runs in it: handlers of requests that nobody waits for any more."""
        self.run(_cancel_all(), timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class ThreadedServer:
    """A server in a thread of its own. A subclass says in `_start` and `_stop` what runs there."""

    def __init__(self) -> None:
        self._loop = LoopThread()

    def start(self) -> Self:
        self._loop.start()
        self._loop.run(self._start())
        return self

    def stop(self) -> None:
        """Stop listening and cut what is open."""
        self._loop.run(self._stop())
        self._loop.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _start(self) -> None:
        raise NotImplementedError

    async def _stop(self) -> None:
        raise NotImplementedError
