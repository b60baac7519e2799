"""Where Redis is: one URL for the ledger (redis-py) and for Celery's broker (kombu).

``redis://``, ``rediss://`` (TLS; ``?ssl_ca_certs=FILE`` for a private authority), ``redis+socket:///path``, and
``sentinel://[:PASSWORD@]HOST:PORT;HOST:PORT…/DB?master_name=NAME``.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from redis import Redis, RedisError
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from dregsy_queue.errors import DregsyError
from dregsy_queue.ledger.outages import plainly

_SOCKET = "redis+socket://"
#: The name that Redis' own example configuration gives a master.
_MASTER = "mymaster"


#: Files that a ``rediss://`` URL may name.
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


#: Seconds after which a call that nobody answers ends.
ANSWER = 5.0
#: A connection whose other end vanished is closed after about 25 s, also when nothing is sent on it.
KEEPALIVE: dict[str, Any] = {
    "socket_keepalive": True,
    "socket_keepalive_options": {
        getattr(socket, name): seconds
        for name, seconds in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    },
}


class AddressError(DregsyError, ValueError):
    """The URL is not one of a Redis; the text does not quote it, because it may hold a password."""


def check(url: str) -> None:
    """See that `url` can be an address, without connecting. Raises: AddressError."""
    if url.startswith("sentinel://"):
        parse_sentinel(url)
        return
    try:
        parse_url(client_url(url))  # type: ignore[no-untyped-call]
    except ValueError:
        raise AddressError(
            "is not a Redis URL; write redis://HOST:PORT/DB, rediss://…, redis+socket:///PATH, "
            "or sentinel://HOST:PORT;HOST:PORT/DB"
        ) from None
    query = parse_qs(urlsplit(url).query)
    for name in query:
        if name not in (*_TLS_FILES, "ssl_cert_reqs", "ssl_check_hostname", "db", "virtual_host"):
            raise AddressError(
                f"has the option '{name}', which cannot be used here; known are {', '.join(_TLS_FILES)} and db"
            )
    for name in _TLS_FILES:
        for file in query.get(name, []):
            if not Path(file).is_file():
                raise AddressError(f"names '{file}' as {name}, and there is no such file")


@dataclass(frozen=True)
class SentinelAddress:
    """Sentinels, and the master they watch over; `password` is the master's."""

    nodes: tuple[tuple[str, int], ...]
    master: str
    db: int
    username: str | None
    password: str | None


def parse_sentinel(url: str) -> SentinelAddress:
    """Raises: AddressError."""
    text, _, query = url.removeprefix("sentinel://").partition("?")
    hosts, _, db = text.partition("/")
    login, at, hosts = hosts.rpartition("@")
    username, _, password = login.partition(":")
    nodes = []
    try:
        for host in hosts.split(";"):
            parts = urlsplit("//" + host.removeprefix("sentinel://").rpartition("@")[2])
            nodes.append((parts.hostname or "", parts.port or 26379))
        number = int(db or 0)
    except ValueError:
        raise AddressError("is not valid; write sentinel://HOST:PORT;HOST:PORT/DB") from None
    if not all(host for host, _ in nodes):
        raise AddressError("names no sentinel; write sentinel://HOST:PORT;HOST:PORT/DB")
    master = parse_qs(query).get("master_name", [_MASTER])[0]
    return SentinelAddress(
        tuple(nodes), master, number, unquote(username) or None, unquote(password) or None if at else None
    )


def make_client(url: str, *, patient: bool = True) -> Redis:
    """A pooled, thread-safe client whose answers are `str`; behind sentinels it follows the master.

    `patient` false: it says within seconds that nobody answers, and tries once.
    """
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_connect_timeout": 5 if patient else 3,
        "socket_timeout": ANSWER if patient else 5,
        "health_check_interval": 30,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), retries=4 if patient else 0),
    }
    if not url.startswith("sentinel://"):
        url = client_url(url)
        return Redis.from_url(url, **options, **({} if url.startswith("unix://") else KEEPALIVE))
    address = parse_sentinel(url)
    login = {"username": address.username, "password": address.password, "db": address.db}
    sentinel: Any = Sentinel(list(address.nodes))  # type: ignore[no-untyped-call]
    ask_once(sentinel)
    master: Redis = sentinel.master_for(address.master, **login, **options, **KEEPALIVE)
    return master


def ask_once(sentinel: Any) -> None:  # noqa: ANN401 - redis-py's Sentinel, untyped
    """It asks each Sentinel once and not for long, as its callers try again, and says in a line that none tells of a
    master: redis-py's own text shows its objects."""
    for client in sentinel.sentinels:
        client.set_retry(Retry(NoBackoff(), 0))
        client.connection_pool.connection_kwargs.update(socket_timeout=2, socket_connect_timeout=2)
    discover = sentinel.discover_master

    def discover_master(name: str) -> tuple[str, int]:
        try:
            found: tuple[str, int] = discover(name)
        except MasterNotFoundError:
            why = _why_not(sentinel.sentinels[0])
            raise MasterNotFoundError(f"no Sentinel tells of a master '{name}': {why}") from None
        return found

    sentinel.discover_master = discover_master


def _why_not(sentinel: Redis) -> str:
    try:
        sentinel.ping()
    except (RedisError, OSError) as error:
        return f"the first one does not help: {plainly(error)}"
    return "the first one knows none of this name (master_name) that is up"


def celery_settings(url: str) -> dict[str, Any]:
    """Celery's settings for this address."""
    if not url.startswith("sentinel://"):
        tls = _tls(url)
        return {
            "broker_url": broker_url(url).partition("?")[0] if tls else broker_url(url),
            **({"broker_use_ssl": tls} if tls else {}),
        }
    address = parse_sentinel(url)
    login = f"{address.username or ''}:{address.password}@" if address.password else ""
    return {
        "broker_url": ";".join(f"sentinel://{login}{host}:{port}/{address.db}" for host, port in address.nodes),
        "broker_transport_options": {"master_name": address.master},
    }


def _tls(url: str) -> dict[str, Any] | None:
    if not url.startswith("rediss://"):
        return None
    query = parse_qs(url.partition("?")[2])
    settings: dict[str, Any] = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    for name in _TLS_FILES:
        if name in query:
            settings[name] = query[name][0]
    if query.get("ssl_cert_reqs", [""])[0].lower() in ("none", "cert_none"):
        settings["ssl_cert_reqs"] = ssl.CERT_NONE
    return settings


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
