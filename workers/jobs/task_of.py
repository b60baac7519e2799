"""Which task of this worker's own config does a job belong to? Jobs carry names, the config has the rest."""

from __future__ import annotations

from dregsy_queue.config.current import CurrentConfig
from dregsy_queue.config.models import SyncTask
from dregsy_queue.config.selection import task_fingerprint
from dregsy_queue.ledger.claims import Claim
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.oci.hosts import registry_key


def task_of(claim: Claim, config: CurrentConfig) -> SyncTask | None:
    """The task as the config has it now; None when it has none of this name.

    A config other than that by which the run was started may be an old one, so the file is looked at again.
    """
    task = config.task(claim.task)
    if (task is None or task_fingerprint(task) != claim.fingerprint) and config.refresh():
        task = config.task(claim.task)
    return task


def why_dropped(task: SyncTask | None, job: TransferJob) -> str | None:
    """Why a job that was planned under another config cannot run under this one; None when it can."""
    if task is None:
        return "its task is not in the config any more"
    planned = job.source_reference.registry, job.target_reference.registry
    configured = task.source.host, task.target.host
    if [registry_key(host) for host in planned] != [registry_key(host) for host in configured]:
        return "its task has other registries by now"
    return None
