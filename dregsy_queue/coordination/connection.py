"""Connections to Redis from one URL, for the ledger (redis-py) and for Celery's broker (kombu)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol, cast

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

_SOCKET = "redis+socket://"


class Script(Protocol):
    def __call__(self, *, args: Sequence[str | float]) -> Any: ...  # noqa: ANN401 - each script's own


class Pipeline(Protocol):
    def delete(self, *names: str) -> object: ...
    def hset(self, name: str, *, mapping: Mapping[str, str]) -> object: ...
    def hgetall(self, name: str) -> object: ...
    def execute(self) -> list[Any]: ...


class Connection(Protocol):
    """The commands of redis-py's client used here, typed as ``decode_responses`` makes them."""

    def register_script(self, script: str) -> Script: ...
    def pipeline(self, *, transaction: bool) -> Pipeline: ...
    def ping(self) -> bool: ...
    def info(self, section: str) -> dict[str, Any]: ...
    def close(self) -> None: ...
    def delete(self, *names: str) -> int: ...
    def set(self, name: str, value: str, *, nx: bool = False, ex: int | None = None) -> bool | None: ...
    def get(self, name: str) -> str | None: ...
    def hget(self, name: str, key: str) -> str | None: ...
    def hmget(self, name: str, keys: Sequence[str]) -> list[str | None]: ...
    def hgetall(self, name: str) -> dict[str, str]: ...
    def hscan_iter(self, name: str, *, count: int) -> Iterator[tuple[str, str]]: ...
    def lindex(self, name: str, index: int) -> str | None: ...
    def llen(self, name: str) -> int: ...
    def smembers(self, name: str) -> AbstractSet[str]: ...
    def scard(self, name: str) -> int: ...
    def zadd(self, name: str, mapping: Mapping[str, float]) -> int: ...
    def zcard(self, name: str) -> int: ...
    def zrange(self, name: str, start: int, end: int) -> list[str]: ...


def connect(url: str) -> Connection:
    """A thread-safe, pooled connection that answers with `str`.

    `url` is ``redis://``, ``rediss://`` or ``redis+socket:///path`` (also ``unix:///path``). A command that
    meets a broken connection is tried again for about two seconds before `redis.ConnectionError` is raised.
    """
    client = Redis.from_url(
        client_url(url),
        decode_responses=True,
        socket_connect_timeout=5,
        socket_timeout=30,
        health_check_interval=30,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), retries=4),
    )
    return cast(Connection, client)


def client_url(url: str) -> str:
    """`url` as redis-py spells it (``unix://`` for a socket)."""
    if url.startswith(_SOCKET):
        return "unix://" + url.removeprefix(_SOCKET).replace("virtual_host=", "db=")
    return url


def broker_url(url: str) -> str:
    """`url` as kombu spells it (``redis+socket://`` for a socket)."""
    if url.startswith("unix://"):
        return _SOCKET + url.removeprefix("unix://").replace("db=", "virtual_host=")
    return url
