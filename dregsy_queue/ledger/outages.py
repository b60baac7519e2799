"""Which errors of Redis pass by themselves, and calls that outlast them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from redis import ConnectionError as RedisConnectionError
from redis import RedisError
from redis import TimeoutError as RedisTimeoutError
from redis.exceptions import AskError, ClusterCrossSlotError, ClusterDownError

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

#: What a Redis answers that is one of several, each of which has a part of the keys.
_OF_A_CLUSTER = (ClusterDownError, ClusterCrossSlotError, AskError)
CLUSTER_MODE = "Redis runs in cluster mode, which is not supported: use a single one, or Sentinel"

#: With RESP3 the first command is HELLO; what Redis says to it names that alone.
_WANTS_A_PASSWORD = ("HELLO must be called with the client already authenticated", "Authentication required")


def passes(error: Exception) -> bool:
    """True for a broken connection, and where Redis says that it refuses for now (full, read-only, loading, …)."""
    if isinstance(error, RedisConnectionError | RedisTimeoutError | OSError):
        return True
    # redis-py leaves the word out of some errors and gives them a class instead; scripts wrap it in a sentence.
    text = f"{type(error).__name__} {error}".upper()
    return isinstance(error, RedisError) and any(word in text for word in _PASSING)


def plainly(error: Exception) -> str:
    """What people are told of it, where Redis' own words say little."""
    if isinstance(error, _OF_A_CLUSTER) or "in a cluster node" in str(error):
        return f"{CLUSTER_MODE} ({error})"
    if any(words in str(error) for words in _WANTS_A_PASSWORD):
        return "it wants a password, and was given none"
    return str(error)


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
