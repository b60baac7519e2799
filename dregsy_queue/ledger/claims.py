"""Claims: one worker's hold on one job, from taking it to saying how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.ledger.outages import outlast
from dregsy_queue.ledger.outcome import Copied, Failed, Outcome, PutBack, RetryAfter, WaitForRegistry
from dregsy_queue.ledger.records import SyncRecord
from dregsy_queue.ledger.scripts import Scripts
from dregsy_queue.redact import scrub


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
    #: None for a plan
    transfer: TransferJob | None

    @property
    def run(self) -> str:
        return self.job.partition(":")[0]


class Claims:
    def __init__(self, connection: Connection) -> None:
        self._scripts = Scripts(connection)

    def take(self, job: str, epoch: int, worker: str) -> Claim | None:
        """Claim an admitted job; None when there is nothing to take (a late or doubled message)."""
        answer = self._scripts.run("claim", job, epoch, worker)
        if answer is None:
            return None
        task, kind, attempt, spec, fingerprint = answer
        transfer = TransferJob.from_json(spec) if spec else None
        return Claim(job, epoch, task, kind, int(attempt), fingerprint, transfer)

    def settle(self, claim: Claim, outcome: Outcome, seconds: float) -> bool:
        """The attempt took `seconds` and ended so. False: the claim was lost, and nothing is written."""
        arguments = (*_moved(outcome), f"{seconds:.3f}", *_kept(claim, outcome))
        return bool(outlast(lambda: self._scripts.run("settle", claim.job, claim.epoch, *arguments)))


def _moved(outcome: Outcome) -> tuple[str, float, str, str]:
    """The job's next state, seconds until it may run again, the digest at the target, and the error."""
    match outcome:
        case Copied(digest):
            return "copied", 0, digest, ""
        case Failed(error):
            return "failed", 0, "", scrub(error)
        case RetryAfter(seconds, error):
            return "waiting", seconds, "", scrub(error)
        case WaitForRegistry(error=error):
            return "waiting", 0, "", scrub(error)
        case PutBack(error, delay):
            return "waiting", delay, "", scrub(error)


def _kept(claim: Claim, outcome: Outcome) -> tuple[str, int, int]:
    """The sync record, whether the attempt does not count, and the bytes sent."""
    if isinstance(outcome, Copied):
        record = str(SyncRecord(claim.transfer.source_digest, outcome.digest)) if claim.transfer else ""
        return record, 0, outcome.sent
    return "", int(isinstance(outcome, WaitForRegistry | PutBack)), 0
