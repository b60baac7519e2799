"""Claims: one worker's hold on one job, from taking it to saying how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.jobs import Status, TransferJob
from dregsy_queue.ledger.outages import outlast
from dregsy_queue.ledger.scripts import Scripts


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

    def settle(
        self,
        claim: Claim,
        status: Status,
        *,
        seconds: float,
        digest: str = "",
        error: str = "",
        record: str = "",
        sent: int = 0,
    ) -> bool:
        """The job ended; `record` is the sync record to keep, as text, `sent` the bytes sent to the target, as far as
        known. False: the claim was lost."""
        return self._settle(claim, status, 0, digest, error, seconds, record, sent=sent)

    def put_back(
        self, claim: Claim, *, delay: float = 0, error: str = "", seconds: float = 0, counted: bool = True
    ) -> bool:
        """The job runs again after `delay` seconds (0: as soon as there is room). False: claim was lost.

        `counted` false: this attempt was none, for nothing was wrong with the job.
        """
        return self._settle(claim, "waiting", delay, "", error, seconds, "", uncounted=not counted)

    def _settle(
        self,
        claim: Claim,
        status: str,
        delay: float,
        digest: str,
        error: str,
        seconds: float,
        record: str,
        *,
        uncounted: bool = False,
        sent: int = 0,
    ) -> bool:
        values = (status, delay, digest, error, f"{seconds:.3f}", record, int(uncounted), sent)
        return bool(outlast(lambda: self._scripts.run("settle", claim.job, claim.epoch, *values)))
