"""Which errors of Redis pass by themselves, and calls that outlast them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from redis import ConnectionError as RedisConnectionError
from redis import RedisError
from redis import TimeoutError as RedisTimeoutError

from dregsy_queue.clock import SYSTEM, Clock

T = TypeVar("T")

#: How long a call is repeated while Redis is away or refuses, in seconds. What planning could not hand on by then is
#: planned by the worker that takes the plan next.
PATIENCE = 60.0
#: First words of errors that pass by themselves: Redis cannot do it just now, or not yet.
_PASSING = (
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MAXCLIENTS",
    "MISCONF",
    "NOREPLICAS",
    "OOM",
    "OUTOFMEMORYERROR",
    "READONLY",
    "TRYAGAIN",
    "UNBLOCKED",
)


def passes(error: Exception) -> bool:
    """True for a broken connection, and where Redis says that it refuses for now (full, read-only, loading, …)."""
    if isinstance(error, RedisConnectionError | RedisTimeoutError | OSError):
        return True
    # redis-py leaves the word out of some errors and gives them a class instead; scripts wrap it in a sentence.
    text = f"{type(error).__name__} {error}".upper()
    return isinstance(error, RedisError) and any(word in text for word in _PASSING)


def outlast(call: Callable[[], T], patience: float = PATIENCE, clock: Clock = SYSTEM) -> T:
    """`call` until Redis takes it; for calls that may be repeated, as all scripts fenced by an epoch.

    Raises: redis.RedisError when `patience` seconds are over, or at once when waiting does not help.
    """
    deadline = clock.monotonic() + patience
    while True:
        try:
            return call()
        except (RedisError, OSError) as error:
            if not passes(error) or clock.monotonic() > deadline:
                raise
            clock.pause(1)
