"""Admission: what may run now, and putting back what nobody works on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from redis import RedisError

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.ledger.scripts import Scripts

#: A message that no worker takes within this many seconds is given up, and its job admitted again.
CLAIM_WITHIN = 30
#: A job whose target another job writes is looked at again after this many seconds.
BUSY_TARGET_DELAY = 1
#: A job fails after it was on GIVE_UP_AFTER workers that died; from SUSPECT_AFTER on, only one such job runs at a time.
GIVE_UP_AFTER, SUSPECT_AFTER = 3, 2
#: When nobody called reap for STOOD_STILL seconds, no worker could renew its lease: all get COME_BACK seconds more.
STOOD_STILL, COME_BACK = 5.0, 10.0
#: Jobs admitted in one call of the script, and looks at lanes per priority: bound how long it holds Redis.
ADMITTED_AT_ONCE, LOOKS = 25, 100
#: Seconds between two checks for contradictions in the ledger, by all workers together.
AUDIT_PAUSE = 0.5


@dataclass(frozen=True)
class Admitted:
    """A job that may run now; a message with `job` and `epoch` must reach a worker."""

    job: str
    epoch: int
    kind: str
    #: None for a plan or a shard, and where this release cannot read it
    transfer: TransferJob | None


@dataclass(frozen=True)
class Reaped:
    """What was put back, for the log: ids of workers and of jobs."""

    workers: list[str]
    taken: list[str]
    given_up: list[str]
    unclaimed: list[str]
    #: contradictions that were repaired, as texts; the scripts themselves never leave any
    repairs: list[str] = field(default_factory=list)
    #: there is more long work: reap again soon
    more: bool = False


class Admission:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._scripts = Scripts(connection)

    def admit(self, most: int = 200) -> list[Admitted]:
        """Admit up to `most` jobs; the caller sends their messages."""
        admitted: list[Admitted] = []
        while len(admitted) < most:
            try:
                some = self._admit(min(ADMITTED_AT_ONCE, most - len(admitted)))
            except (RedisError, OSError):
                if not admitted:
                    raise
                break
            admitted += some
            if len(some) < ADMITTED_AT_ONCE:
                break
        return admitted

    def _admit(self, most: int) -> list[Admitted]:
        flat = self._scripts.run("admit", most, CLAIM_WITHIN, BUSY_TARGET_DELAY, SUSPECT_AFTER, LOOKS)
        return [
            Admitted(job, int(epoch), kind, _transfer(spec))
            for job, epoch, kind, spec in zip(*[iter(flat)] * 4, strict=True)
        ]

    def reap(self) -> Reaped:
        """Put back jobs of workers whose lease ended, unclaimed ones, and delayed ones that are due; and do a slice of
        what takes long."""
        reaped = self._reap("")
        more = self._scripts.run("tidy")
        repairs, checking = self._scripts.run("audit", AUDIT_PAUSE, COME_BACK)
        return replace(reaped, repairs=repairs, more=bool(more or checking))

    def leave(self, worker: str) -> Reaped:
        """`worker` ends now: its jobs go back at once, without counting as lost."""
        return self._reap(worker)

    def _reap(self, leaving: str) -> Reaped:
        return Reaped(*self._scripts.run("reap", GIVE_UP_AFTER, SUSPECT_AFTER, leaving, STOOD_STILL, COME_BACK))


def _transfer(spec: str) -> TransferJob | None:
    """None for plans and shards, and for what only another release can read: who claims it hands it back."""
    try:
        return TransferJob.from_json(spec) if spec else None
    except ValueError:
        return None
