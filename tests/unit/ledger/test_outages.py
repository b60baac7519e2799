"""Which errors of Redis are waited out, and for how long."""

from __future__ import annotations

import pytest
from redis import ConnectionError as RedisConnectionError
from redis import RedisError, ResponseError
from redis.exceptions import AuthenticationError, ClusterDownError, MovedError, OutOfMemoryError, ReadOnlyError

from dregsy_queue.ledger.outages import CLUSTER_MODE, outlast, passes, plainly
from tests.lab.clock import FakeClock


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RedisConnectionError("gone"), True),
        (OSError("no route"), True),
        (ResponseError("OOM command not allowed when used memory > 'maxmemory'."), True),
        (
            OutOfMemoryError(
                "command not allowed when used memory > 'maxmemory'. script: 6834a4, on @user_script:442."
            ),
            True,
        ),
        (ReadOnlyError("You can't write against a read only replica. script: 6834a4"), True),
        (ResponseError("Error running script: READONLY You can't write against a read only replica."), True),
        (ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), False),
        (ValueError("BUSY"), False),
    ],
)
def test_what_passes_by_itself(error: Exception, expected: bool) -> None:
    assert passes(error) is expected


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ClusterDownError("Hash slot not served"), f"{CLUSTER_MODE} (Hash slot not served)"),
        (MovedError("11621 127.0.0.1:6380"), f"{CLUSTER_MODE} (11621 127.0.0.1:6380)"),
        (
            ResponseError("HELLO must be called with the client already authenticated, otherwise the HELLO …"),
            "it wants a password, and was given none",
        ),
        (AuthenticationError("Authentication required."), "it wants a password, and was given none"),
        (RedisConnectionError("gone"), "gone"),
    ],
)
def test_what_people_are_told(error: Exception, told: str) -> None:
    assert plainly(error) == told


def test_a_call_is_repeated_until_it_is_taken() -> None:
    errors, clock = [RedisConnectionError("gone"), ResponseError("LOADING")], FakeClock()

    def call() -> str:
        if errors:
            raise errors.pop(0)
        return "taken"

    assert outlast(call, clock=clock) == "taken" and clock.slept == [1, 1]


@pytest.mark.parametrize(("error", "waits"), [(RedisConnectionError("gone"), 11), (ResponseError("WRONGTYPE"), 0)])
def test_patience_ends(error: RedisError, waits: int) -> None:
    clock = FakeClock()

    def call() -> None:
        raise error

    with pytest.raises(RedisError):
        outlast(call, patience=10, clock=clock)
    assert len(clock.slept) == waits
