"""Claims: one worker's hold on one job, from taking it to saying how it ended."""

from __future__ import annotations

import logging
import math
import secrets
from dataclasses import dataclass, replace

from redis import RedisError

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.in_hand import InHand
from dregsy_queue.ledger.jobs import SyncRecord, TransferJob, run_of
from dregsy_queue.ledger.outcome import Cancelled, Copied, Failed, Outcome, PutBack, RetryAfter, WaitForRegistry
from dregsy_queue.ledger.shared_calls import SharedScripts
from dregsy_queue.logs import log_fields, scrub_line
from dregsy_queue.oci.digest import Digest

log = logging.getLogger(__name__)

#: Longest delay of a job, in seconds, even if a registry asks for more.
LONGEST_DELAY = 6 * 3600.0
#: A job that this release cannot read is left to others so many times, so many seconds apart.
_UNREADABLE_TRIES, _UNREADABLE_DELAY = 10, 30.0


@dataclass(frozen=True)
class Claim:
    """A job held by this worker; when its lease ends, another may take the job, under a higher `epoch`."""

    job: str
    epoch: int
    task: str
    kind: str
    #: 1 for the first
    attempt: int
    #: fingerprint of the task when the run started
    fingerprint: str
    #: None for a plan or a shard
    transfer: TransferJob | None
    #: who holds it
    worker: str = ""
    #: the images of a shard, as `Runs.share` was given them; "" for all else
    shard: str = ""

    @property
    def run(self) -> str:
        return run_of(self.job)

    @property
    def name(self) -> str:
        """Names this claim, not just the job: a later claim of the same job has another name."""
        return claim_name(self.job, self.epoch)


def claim_name(job: str, epoch: int) -> str:
    return f"{job}.{epoch}"


def left_to_other_releases(claim: Claim, why: str) -> RetryAfter | None:
    """This release cannot read a job; None: nor could any other in all its attempts."""
    return RetryAfter(_UNREADABLE_DELAY, why) if claim.attempt < _UNREADABLE_TRIES else None


class Claims:
    def __init__(self, connection: Connection, in_hand: InHand | None = None) -> None:
        """`in_hand`: of the worker whose claims these are, which names it in its heartbeats."""
        self._scripts = SharedScripts(connection)
        self.in_hand = in_hand or InHand()

    def take(self, job: str, epoch: int, worker: str, token: str = "") -> Claim | None:
        """Claim an admitted job; None when there is nothing to take (a late or doubled message), or when this release
        cannot read it: then it is handed back.

        `token`: the same for calls that try the same claim again.

        Raises: redis.RedisError or OSError; if the claim succeeded and only the reply was lost, the ledger puts the job
        back after two heartbeats that do not name it.
        """
        if not self.in_hand.take(job, epoch):
            return None
        try:
            answer = self._scripts.run("claim", job, epoch, worker, token or secrets.token_hex(8))
        except (RedisError, OSError):
            self.in_hand.drop(job, epoch)
            raise
        if answer is None:
            self.in_hand.drop(job, epoch)
            return None
        task, kind, attempt, spec, fingerprint = answer
        claim = Claim(job, epoch, task, kind, int(attempt), fingerprint, None, worker)
        if not spec:
            return claim
        if kind == "shard":
            return replace(claim, shard=spec)
        try:
            return replace(claim, transfer=TransferJob.from_json(spec))
        except ValueError as error:
            self._hand_back(claim, str(error))
            return None

    def done_with(self, claim: Claim) -> None:
        """This worker does nothing more for the job; without an outcome the ledger puts it back."""
        self.in_hand.drop(claim.job, claim.epoch)

    def _hand_back(self, claim: Claim, why: str) -> None:
        text = f"another release made this job, this one cannot read it: {why}"
        log.warning("%s", text, extra=log_fields(job=claim.job))
        self.settle(claim, left_to_other_releases(claim, text) or Failed(text), seconds=0)

    def settle(self, claim: Claim, outcome: Outcome, seconds: float) -> bool:
        """The attempt took `seconds` and ended so. False: the claim was lost, and nothing is written.

        While Redis does not take it, it is kept (see `InHand`).
        """
        values = (*_moved(outcome), f"{seconds:.3f}", *_kept(claim, outcome), secrets.token_hex(8))
        arguments = (claim.job, claim.epoch, claim.worker, *values)
        return self.in_hand.write(claim.job, claim.epoch, lambda: bool(self._scripts.run("settle", *arguments)))


def _moved(outcome: Outcome) -> tuple[str, float, str, str]:
    """The job's next state, seconds until it may run again, the digest at the target, and the error."""
    match outcome:
        case Copied(digest):
            return "copied", 0, digest, ""
        case Failed(error):
            return "failed", 0, "", scrub_line(error)
        case Cancelled(error):
            return "cancelled", 0, "", scrub_line(error)
        case RetryAfter(seconds, error):
            return "waiting", _bounded(seconds), "", scrub_line(error)
        case WaitForRegistry(error=error):
            return "waiting", 0, "", scrub_line(error)
        case PutBack(error, delay):
            return "waiting", _bounded(delay), "", scrub_line(error)


def _bounded(delay: float) -> float:
    return min(max(delay, 0.0), LONGEST_DELAY) if math.isfinite(delay) else LONGEST_DELAY


def _kept(claim: Claim, outcome: Outcome) -> tuple[str, int, int]:
    """The sync record, whether the attempt does not count, and the bytes sent."""
    if isinstance(outcome, Copied):
        record = _record(claim.transfer, outcome) if claim.transfer else ""
        return record, 0, outcome.sent
    return "", int(isinstance(outcome, WaitForRegistry | PutBack)), 0


def _record(job: TransferJob, outcome: Copied) -> str:
    return str(SyncRecord(job.source_digest, Digest(outcome.digest), job.platform))
