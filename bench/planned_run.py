"""A run on the ledger as a planner leaves it, for benchmarks of what comes after."""

from __future__ import annotations

from collections.abc import Callable

from dregsy_queue.config.models import SyncTask
from dregsy_queue.config.selection import run_fingerprint
from dregsy_queue.ledger.admission import Admission
from dregsy_queue.ledger.claims import Claims
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.ledger.presence import Presence
from dregsy_queue.ledger.runs import Runs
from dregsy_queue.oci.digest import Digest


def plan(connection: Connection, task: SyncTask, jobs: int, relay: str, hold: Callable[[], object]) -> None:
    """So many jobs of `task` wait; `hold` is called before any of them could be admitted."""
    source, target = task.source.registry, task.target.registry
    Presence(connection).heartbeat("planner", slots=2, kinds=["plan"])
    runs, admission = Runs(connection), Admission(connection)
    runs.start(task.name, run_fingerprint(task), priority=5, kept=5, source=source, target=target)
    (planned,) = admission.admit()
    claim = Claims(connection).take(planned.job, planned.epoch, "planner")
    assert claim
    hold()
    runs.add(claim, (_job(number, source, target, relay) for number in range(jobs)))
    runs.end_plan(claim)
    admission.leave("planner")


def _job(number: int, source: str, target: str, relay: str) -> TransferJob:
    digest = Digest(f"sha256:{number:064x}")
    name = f"team/service-with-a-name:{number}"
    return TransferJob(f"{source}/{name}", f"{target}/{name}", "", relay, "missing", digest, digest)
