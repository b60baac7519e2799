"""Scripts of many threads in one round trip: a worker's jobs begin and end together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.scripts import Call, Scripts

#: Scripts of one round trip at most.
MOST = 100


class _Waiting:
    def __init__(self, call: Call) -> None:
        self.call = call
        self.answer: Any = None
        #: true when its thread is to send what waits, its own call first
        self.leads = False
        self._answered = threading.Lock()
        self._answered.acquire()

    def wake(self) -> None:
        self._answered.release()

    def wait(self) -> None:
        self._answered.acquire()


class SharedScripts:
    """As `Scripts`, for many threads. Whoever calls while a round trip is under way shares the next one; each script is
    atomic by itself, and its answer or error is its caller's alone. A round trip that broke off has failed for all."""

    def __init__(self, connection: Connection) -> None:
        self._scripts = Scripts(connection)
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._under_way = False

    def run(self, name: str, *args: str | float) -> Any:  # noqa: ANN401 - what a script answers is its own
        """Raises: redis.RedisError or OSError."""
        mine = _Waiting((name, args))
        with self._lock:
            self._waiting.append(mine)
            mine.leads, self._under_way = not self._under_way, True
        if not mine.leads:
            mine.wait()
        if mine.leads:
            self._lead()
        if isinstance(mine.answer, BaseException):
            raise mine.answer
        return mine.answer

    def _lead(self) -> None:
        """Send what waits, and let one of those who came meanwhile lead the next round trip."""
        with self._lock:
            together, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            answers = self._send([waiting.call for waiting in together])
        except BaseException as error:
            answers = [error] * len(together)
        for waiting, answer in zip(together, answers, strict=True):
            waiting.answer, waiting.leads = answer, False
            waiting.wake()
        with self._lock:
            self._under_way = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].wake()

    def _send(self, calls: Sequence[Call]) -> list[Any]:
        if len(calls) > 1:
            return self._scripts.run_many(calls)
        ((name, args),) = calls
        return [self._scripts.run(name, *args)]
