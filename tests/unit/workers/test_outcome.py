"""Every way in which an attempt at a job can end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from dregsy_queue.ledger.claims import Claim
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.ledger.outcome import (
    Copied,
    Failed,
    Outcome,
    PlanOutcome,
    PutBack,
    RetryAfter,
    RunFailure,
    WaitForRegistry,
)
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.hosts import RegistryKey
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.settings import from_environment
from workers.event_loop import CancelledError
from workers.jobs.outcome import DAEMON_PAUSE, LOGIN_ATTEMPTS, Transferred, outcome_of, plan_outcome_of
from workers.relays.relay import RelayError

SHARED = from_environment({"DREGSY_BACKOFF": "0", "DREGSY_MAX_ATTEMPTS": "5"})
ALONE = replace(SHARED, alone=True)
JOB = TransferJob(
    "index.docker.io/library/a:1", "dst.example/a:1", "", "skopeo", "missing", Digest("sha256:1"), Digest("sha256:2")
)
CLAIM = Claim("1:a", 1, "task", "skopeo", 1, "", JOB)


def refused(asked: float | None) -> RegistryError:
    return RegistryError("slow", kind="rate-limited", temporary=True, registry="dst.example", retry_after=asked)


def unavailable(asked: float | None = None) -> RegistryError:
    return RegistryError("away", kind="unavailable", temporary=True, registry="dst.example", retry_after=asked)


DENIED = RegistryError("denied", kind="denied", temporary=False, registry="dst.example")


@pytest.mark.parametrize(
    ("happened", "outcome"),
    [
        (Transferred("sha256:2", 7), Copied("sha256:2", 7)),
        (Transferred("sha256:3", None), Copied("sha256:3", 0)),
        (CancelledError(), PutBack()),
        (RelayError("broken pipe"), RetryAfter(0, "broken pipe")),
        (RelayError("manifest unknown", "refused"), Failed("manifest unknown")),
        (RelayError("401", "unauthorized"), RetryAfter(0, "401")),
        (RelayError("429", "rate-limited", "source"), WaitForRegistry(RegistryKey("docker.io"), None, "429")),
        (RelayError("429", "rate-limited", "target"), WaitForRegistry(RegistryKey("dst.example"), None, "429")),
        (refused(None), WaitForRegistry(RegistryKey("dst.example"), None, "slow")),
        (refused(30), WaitForRegistry(RegistryKey("dst.example"), 30, "slow")),
        (unavailable(), RetryAfter(0, "away")),
        (unavailable(asked=9), RetryAfter(9, "away")),
        (DENIED, Failed("denied")),
        (KeyError("x"), RetryAfter(0, "unexpected error: KeyError: 'x'")),
        (RedisConnectionError("gone"), RetryAfter(0, "Redis did not answer: gone")),
    ],
)
def test_first_attempt(happened: Transferred | Exception, outcome: Outcome) -> None:
    assert outcome_of(happened, CLAIM, JOB, SHARED, relay_may_come=False) == outcome


@pytest.mark.parametrize("happened", [RelayError("broken"), unavailable(), unavailable(asked=9), KeyError("x")])
def test_attempts_are_bounded(happened: Exception) -> None:
    for attempt in range(1, 5):
        assert isinstance(_at(attempt, happened), RetryAfter)
    assert isinstance(_at(5, happened), Failed)


def test_a_refused_login_is_tried_less_often() -> None:
    error = RelayError("401", "unauthorized")
    assert isinstance(_at(LOGIN_ATTEMPTS - 1, error), RetryAfter) and isinstance(_at(LOGIN_ATTEMPTS, error), Failed)


@pytest.mark.parametrize("happened", [CancelledError(), refused(None), RelayError("429", "rate-limited", "source")])
def test_what_is_not_the_jobs_fault_is_never_its_last_attempt(happened: Exception) -> None:
    assert not isinstance(_at(99, happened), Failed)


@pytest.mark.parametrize(
    ("kind", "alone", "may_come", "outcome"),
    [
        ("missing", False, False, PutBack("no relay")),
        ("away", False, False, PutBack("no relay")),
        ("missing", True, True, Failed("no relay")),
        ("away", True, True, PutBack("no relay", DAEMON_PAUSE)),
        ("away", True, False, RetryAfter(0, "no relay")),
    ],
)
def test_a_relay_that_does_not_work(kind: str, alone: bool, may_come: bool, outcome: Outcome) -> None:
    error = RelayError("no relay", kind)  # type: ignore[arg-type]
    assert outcome_of(error, CLAIM, JOB, ALONE if alone else SHARED, relay_may_come=may_come) == outcome


@pytest.mark.parametrize(
    ("happened", "outcome"),
    [
        (CancelledError(), PutBack()),
        (refused(30), PutBack("slow", 30)),
        (refused(None), PutBack("slow", 1)),
        (RedisConnectionError("gone"), PutBack("Redis did not answer: gone")),
        (ResponseError("OOM command not allowed"), PutBack("Redis did not answer: OOM command not allowed")),
        (ResponseError("WRONGTYPE"), RetryAfter(0, "Redis refuses: WRONGTYPE")),
        (unavailable(), RunFailure("task", "away")),
        (DENIED, RunFailure("task", "denied")),
        (KeyError("x"), RunFailure("task", "unexpected error: KeyError: 'x'")),
    ],
)
def test_a_plan_that_did_not_come_to_its_end(happened: Exception, outcome: PlanOutcome) -> None:
    assert plan_outcome_of(happened, replace(CLAIM, transfer=None, kind="plan"), SHARED) == outcome


def test_a_plan_that_redis_refuses_for_good_fails_in_the_end() -> None:
    claim = replace(CLAIM, transfer=None, kind="plan", attempt=5)
    assert plan_outcome_of(ResponseError("NOPERM"), claim, SHARED) == RunFailure("task", "Redis refuses: NOPERM")


def _at(attempt: int, happened: Exception) -> Outcome:
    return outcome_of(happened, replace(CLAIM, attempt=attempt), JOB, SHARED, relay_may_come=False)
