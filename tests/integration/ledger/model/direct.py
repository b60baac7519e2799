"""Redis asked as cheaply as can be, and Redis as a client sees it on a bad day: a model makes a million calls."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import hiredis
import redis
from redis import ConnectionError as RedisConnectionError
from redis import ResponseError

from dregsy_queue.ledger.connection import Script

T = TypeVar("T")


class Direct:
    """One connection to a unix socket."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._reader = hiredis.Reader(encoding="utf-8")
        self._hashes: dict[str, str] = {}

    def call(self, *command: str | float) -> Any:
        """Raises: redis.ResponseError with what Redis answered."""
        self._socket.sendall(hiredis.pack_command(tuple(map(str, command))))  # type: ignore[arg-type]
        while (answer := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(1 << 16))
        if isinstance(answer, hiredis.ReplyError):
            raise ResponseError(str(answer))
        return answer

    def script(self, source: str, args: Sequence[str | float]) -> Any:
        if source not in self._hashes:
            self._hashes[source] = self.call("SCRIPT", "LOAD", source)
        return self.call("EVALSHA", self._hashes[source], 0, *args)

    def close(self) -> None:
        self._socket.close()


class FaultyConnection:
    """A connection of which one call loses its request or its answer, or is made twice, as redis-py makes it where the
    first answer got lost."""

    def __init__(self, client: redis.Redis, direct: Direct | None = None) -> None:
        """`direct`: for scripts, which is faster."""
        self._client = client
        self._direct = direct
        self._fault, self._after = "", 0

    def disturb(self, fault: str, after: int = 0) -> None:
        """`fault`: "request", "answer", "twice" or "" (none more); of the call that follows `after` others."""
        self._fault, self._after = fault, after

    def _disturbed(self, call: Callable[[], T]) -> T:
        if not self._fault or self._after:
            self._after = max(0, self._after - 1)
            return call()
        fault, self._fault = self._fault, ""
        if fault == "request":
            raise RedisConnectionError("the request got lost")
        call()
        if fault == "twice":
            return call()
        raise RedisConnectionError("the answer got lost")

    def register_script(self, script: str) -> Script:
        direct, ours = self._direct, None if self._direct else self._client.register_script(script)

        def run(*, args: Sequence[str | float]) -> Any:
            if direct:
                return self._disturbed(lambda: direct.script(script, args))
            assert ours
            return self._disturbed(lambda: ours(args=args))

        return run

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **options: self._disturbed(lambda: method(*args, **options))
