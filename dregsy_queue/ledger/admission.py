"""Admission: what may run now, and putting back what nobody works on."""

from __future__ import annotations

from dataclasses import dataclass

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.ledger.scripts import Scripts

#: A message that no worker takes within this many seconds is given up, and its job admitted anew.
CLAIM_WITHIN = 30
#: A job whose target another job writes is looked at again after this many seconds.
BUSY_TARGET_DELAY = 1
#: A job that so many workers did not survive is failed; from SUSPECT_AFTER on it runs with no other such job.
GIVE_UP_AFTER, SUSPECT_AFTER = 3, 2


@dataclass(frozen=True)
class Admitted:
    """A job that may run now; a message with `job` and `epoch` must reach a worker."""

    job: str
    epoch: int
    kind: str
    #: None for a plan
    transfer: TransferJob | None


@dataclass(frozen=True)
class Reaped:
    """What was put back, for the log: ids of workers and of jobs."""

    workers: list[str]
    taken: list[str]
    given_up: list[str]
    unclaimed: list[str]


class Admission:
    def __init__(self, connection: Connection) -> None:
        self._scripts = Scripts(connection)

    def admit(self, most: int = 200) -> list[Admitted]:
        """Admit up to `most` jobs; the caller sends their messages."""
        flat = self._scripts.run("admit", most, CLAIM_WITHIN, BUSY_TARGET_DELAY, SUSPECT_AFTER)
        return [
            Admitted(job, int(epoch), kind, TransferJob.from_json(spec) if spec else None)
            for job, epoch, kind, spec in zip(*[iter(flat)] * 4, strict=True)
        ]

    def reap(self) -> Reaped:
        """Put back jobs of workers whose lease ended, unclaimed ones, and delayed ones that are due."""
        return self._reap("")

    def leave(self, worker: str) -> Reaped:
        """`worker` ends now: its jobs go back at once, without counting as lost."""
        return self._reap(worker)

    def _reap(self, leaving: str) -> Reaped:
        return Reaped(*self._scripts.run("reap", GIVE_UP_AFTER, SUSPECT_AFTER, leaving))
