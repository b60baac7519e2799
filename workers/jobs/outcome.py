"""How did an attempt at a job end? Pure: what happened becomes a value that says what the ledger writes."""

from __future__ import annotations

from dataclasses import dataclass

from redis import RedisError

from dregsy_queue import backoff
from dregsy_queue.errors import DregsyError
from dregsy_queue.ledger.claims import Claim
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.ledger.outages import passes
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
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.settings import Settings
from workers.event_loop import CancelledError
from workers.relays.relay import RelayError

#: Seconds between two looks at a daemon that does not answer yet.
DAEMON_PAUSE = 10.0
#: Attempts at most when a login is refused that planning used a moment ago: most likely a token has expired.
LOGIN_ATTEMPTS = 3


@dataclass(frozen=True)
class Transferred:
    """The relay copied the image, and the target was seen to have it."""

    #: what the target has now
    digest: str
    #: bytes that were sent to it; None: the relay does not know
    sent: int | None


def outcome_of(
    happened: Transferred | Exception, claim: Claim, job: TransferJob, settings: Settings, *, relay_may_come: bool
) -> Outcome:
    """`relay_may_come`: a worker that is alone still waits for a relay that may start working by itself."""
    match happened:
        case Transferred(digest, sent):
            return Copied(digest, sent or 0)
        case CancelledError():
            return PutBack()
        case RelayError(kind="missing" | "away") if not settings.alone:
            return PutBack(str(happened))
        case RelayError(kind="away") if relay_may_come:
            return PutBack(str(happened), delay=DAEMON_PAUSE)
        case RelayError(kind="rate-limited", side=side):
            refused = job.source_reference if side == "source" else job.target_reference
            return WaitForRegistry(registry_key(refused.registry), None, str(happened))
        case RegistryError(kind="rate-limited"):
            return WaitForRegistry(registry_key(happened.registry), happened.retry_after, str(happened))
        case RelayError(kind="unauthorized"):
            return _again(happened, claim, settings, most=LOGIN_ATTEMPTS)
        case _:
            return _again(happened, claim, settings)


def plan_outcome_of(happened: Exception, claim: Claim, settings: Settings) -> PlanOutcome:
    """How a plan ends that was interrupted or failed. What was planned so far stays in the run."""
    match happened:
        case CancelledError():
            return PutBack()
        case RegistryError(kind="rate-limited"):
            return PutBack(str(happened), delay=happened.retry_after or 1)
        case RedisError() if not passes(happened):
            again = _again(happened, claim, settings)
            return RunFailure(claim.task, again.error) if isinstance(again, Failed) else again
        case RedisError():
            return PutBack(text_of(happened), delay=backoff.delay(settings.backoff, claim.attempt))
        case _:
            return RunFailure(claim.task, text_of(happened))


def is_expected(error: Exception) -> bool:
    """Whether an error can happen without a fault in this program, so that no traceback is of use."""
    return isinstance(error, DregsyError | CancelledError | RedisError)


def text_of(error: Exception) -> str:
    """What people are told of `error`."""
    if isinstance(error, DregsyError):
        return str(error)
    if isinstance(error, RedisError):
        return f"Redis did not answer: {error}" if passes(error) else f"Redis refuses: {error}"
    return f"unexpected error: {type(error).__name__}: {error}"


def _again(error: Exception, claim: Claim, settings: Settings, most: int | None = None) -> RetryAfter | Failed:
    """Another attempt when that may help and attempts are left.

    An error that nobody expected counts as temporary: a retry costs less than a lost image.
    """
    temporary = error.temporary if isinstance(error, DregsyError) else True
    if not temporary or claim.attempt >= min(most or settings.max_attempts, settings.max_attempts):
        return Failed(text_of(error))
    asked = error.retry_after if isinstance(error, RegistryError) else None
    return RetryAfter(backoff.delay(settings.backoff, claim.attempt, asked), text_of(error))
