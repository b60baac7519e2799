"""Which task of this worker's own config does a job belong to? Jobs carry names, the config has the rest."""

from __future__ import annotations

from dregsy_queue import backoff
from dregsy_queue.config.current import CurrentConfig, Snapshot
from dregsy_queue.config.models import SyncTask
from dregsy_queue.config.selection import run_fingerprint
from dregsy_queue.ledger.claims import Claim
from dregsy_queue.ledger.outcome import RetryAfter
from dregsy_queue.registry.errors import RegistryError
from workers.relays.relay import RelayError
from workers.services import Services


def task_of(claim: Claim, config: CurrentConfig) -> SyncTask | None:
    """The task as the config has it now; None when it has none of this name.

    A config other than that by which the run was started may be an old one, so the file is looked at again.
    """
    task = config.task(claim.task)
    if has_it_otherwise(task, claim) and config.refresh():
        task = config.task(claim.task)
    return task


def is_login_of_before(error: object, config: CurrentConfig, used: Snapshot) -> bool:
    """Whether a registry refused a login that the config does not have any more. `used`: what the attempt went by."""
    refused = isinstance(error, RegistryError | RelayError) and error.kind in ("auth", "unauthorized")
    return refused and (config.refresh() or config.snapshot is not used)


def has_it_otherwise(task: SyncTask | None, claim: Claim) -> bool:
    """Whether `task`, by this worker's config, is not what the run was started for: one of the configs is older."""
    return task is None or run_fingerprint(task) != claim.fingerprint


def left_to_others(claim: Claim, worker: str, services: Services) -> RetryAfter | None:
    """Leave a job to others when this worker's config has not the task as it was started: the leading scheduler's
    config has it, so other workers may, and this one when its file is as new. None: no config has the task any more,
    or all attempts are over."""
    if claim.attempt >= services.settings.max_attempts or not is_scheduled(claim, services):
        return None
    delay = backoff.delay(services.settings.backoff, claim.attempt)
    name = worker.partition("#")[0]
    return RetryAfter(delay, f"worker {name} does not have the task in its config as it was started; left to others")


def is_scheduled(claim: Claim, services: Services) -> bool:
    """Whether the leading scheduler's config has the task."""
    return claim.task in services.roles.scheduled()
