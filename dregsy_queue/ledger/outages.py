"""Calls that outlast a Redis which is away for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from redis import ConnectionError as RedisConnectionError
from redis import TimeoutError as RedisTimeoutError
from redis.exceptions import BusyLoadingError

T = TypeVar("T")

#: How long an outcome is kept for a Redis that does not answer, in seconds. Later its job has run elsewhere anyway.
PATIENCE = 120.0


def outlast(call: Callable[[], T], patience: float = PATIENCE) -> T:
    """`call` until Redis answers; for calls that may be repeated, as all scripts fenced by an epoch.

    Raises: redis.ConnectionError or TimeoutError when `patience` seconds are over.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return call()
        except (RedisConnectionError, RedisTimeoutError, BusyLoadingError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
