"""How an attempt at a job can end: plain values that the ledger writes."""

from __future__ import annotations

from dataclasses import dataclass

from dregsy_queue.oci.hosts import RegistryKey


@dataclass(frozen=True)
class Copied:
    """The target has the image."""

    #: what the target has now
    digest: str
    #: bytes that were sent to it, as far as known
    sent: int = 0


@dataclass(frozen=True)
class Failed:
    """The job has failed for good."""

    error: str


@dataclass(frozen=True)
class Cancelled:
    """The job is not to be done any more (its task is gone, or another one by now): neither failed nor good."""

    error: str


@dataclass(frozen=True)
class RetryAfter:
    """The attempt failed and counts; the next one comes after `seconds`."""

    seconds: float
    error: str


@dataclass(frozen=True)
class WaitForRegistry:
    """The registry refused with "too many requests"; nothing is wrong with the job, so the attempt does not count."""

    registry: RegistryKey
    #: seconds that the registry asked to wait; None: it did not say
    asked: float | None
    error: str


@dataclass(frozen=True)
class PutBack:
    """The job could not run here or now; the attempt does not count. It may run again after `delay` seconds."""

    error: str = ""
    delay: float = 0


#: How an attempt at a transfer can end.
Outcome = Copied | Failed | Cancelled | RetryAfter | WaitForRegistry | PutBack


@dataclass(frozen=True)
class PlanDone:
    """A run, or a part of it, is planned: `jobs` images are to be copied."""

    jobs: int
    #: the task is not to be started again by itself
    once: bool = False
    #: parts that are left to all workers; the run is planned when they are
    shards: int = 0
    #: all that the plan has, those of shards too; 0: not known here
    targets: int = 0
    #: what it took, all workers together; None: the attempt did it
    seconds: float | None = None


@dataclass(frozen=True)
class RunFailure:
    """A run could not be planned as a whole."""

    task: str
    error: str


#: How an attempt at a plan can end.
PlanOutcome = PlanDone | RunFailure | RetryAfter | PutBack
