"""What does a worker do with one job? Claim it, do it, settle how it ended."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from redis import RedisError

from dregsy_queue.config.models import SyncTask
from dregsy_queue.config.selection import relay_of
from dregsy_queue.ledger.claims import Claim
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.ledger.outages import outlast
from dregsy_queue.ledger.outcome import (
    Cancelled,
    Copied,
    Failed,
    Outcome,
    PlanDone,
    PlanOutcome,
    PutBack,
    RetryAfter,
    RunFailure,
    WaitForRegistry,
)
from dregsy_queue.logs import log_fields
from workers.jobs.allowed import why_dropped
from workers.jobs.outcome import Transferred, is_expected, outcome_of
from workers.jobs.plan import plan
from workers.jobs.task_of import has_it_otherwise, is_login_of_before, is_scheduled, left_to_others, task_of
from workers.jobs.transfer import transfer
from workers.relays.relay import RelayError
from workers.worker import Worker

log = logging.getLogger(__name__)

#: Seconds for which a claim is tried while Redis is away or refuses; some seconds later the job is admitted again.
CLAIMING = 25.0


def run(worker: Worker, job: str, epoch: int) -> None:
    """Do one job. Every way it can end is written to the ledger; without a ledger the job is done again. The caller
    sees what may run afterwards."""
    claims, token = worker.services.claims, secrets.token_hex(8)
    try:
        claim = outlast(lambda: claims.take(job, epoch, worker.name, token), CLAIMING)
    except (RedisError, OSError) as error:
        # It is admitted again when nobody claims it in time.
        log.warning("cannot claim a job: %s", error, extra=log_fields(job=job))
        return
    if claim is None:
        log.debug("late message, its job is not waiting for it", extra=log_fields(job=job))
        return
    started = time.monotonic()
    try:
        outcome = plan(worker, claim) if claim.transfer is None else _copy(worker, claim, claim.transfer)
        settle(worker, claim, outcome, time.monotonic() - started)
    except (RedisError, OSError) as error:
        # The ledger puts the job back when this worker does not name it any more.
        log.warning("a job was left, as Redis does not answer: %s", error, extra=log_fields(task=claim.task, job=job))
    finally:
        worker.services.claims.done_with(claim)


def settle(worker: Worker, claim: Claim, outcome: Outcome | PlanOutcome | None, seconds: float) -> None:
    """Write how the attempt ended, and log it. None: the claim is lost, and nothing is written."""
    if isinstance(outcome, WaitForRegistry):
        wait, new = worker.services.limiter.pause(outcome.registry, outcome.asked, claim.job)
        if new:
            worker.services.levels.refused_elsewhere(outcome.registry)
            log.warning(
                "too many requests: registry is paused for %.0f s", wait, extra=log_fields(registry=outcome.registry)
            )
    match outcome:
        case None:
            return
        case PlanDone(once=once, targets=targets):
            written = worker.services.runs.end_plan(claim, once=once, targets=targets)
        case RunFailure():
            written = worker.services.runs.end_plan(claim, outcome)
        case _:
            written = worker.services.claims.settle(claim, outcome, seconds)
    if written:
        _tell(claim, outcome, seconds)


def _copy(worker: Worker, claim: Claim, job: TransferJob) -> Outcome:
    """Copy one image; every exception is an outcome."""
    happened: Transferred | Exception
    config = worker.services.config
    used_config = config.snapshot
    try:
        task = task_of(claim, config)
        used = relay_of(used_config.loaded.config, task) if task else ""
        why = why_dropped(task, job, used)
        if task is None or why:
            return _not_here(worker, claim, task, why or "")
        relay = worker.relays.relay(job.relay)
        with worker.services.meters.running(claim.job) as meter:
            services = worker.services
            copying = transfer(
                job,
                task,
                relay,
                services.access(),
                attempt=claim.attempt,
                meter=meter,
                others=services.others,
                run=claim.run,
            )
            happened = services.loop.run(copying, name=claim.name)
    except Exception as error:
        if not is_expected(error):
            log.exception("unexpected error in a transfer", extra=_tags(claim))
        happened = error
    if is_login_of_before(happened, config, used_config):
        return PutBack("the login was refused, and the config has another one by now")
    if isinstance(happened, RelayError):
        worker.relays.heard(job.relay, happened)
    return outcome_of(happened, claim, job, worker.settings, relay_may_come=worker.relays.may_still_come())


def _not_here(worker: Worker, claim: Claim, task: SyncTask | None, why: str) -> Outcome:
    """What becomes of a job that this worker's config does not allow. A worker with an old config must not let an image
    pass for settled that the leading scheduler's config still wants."""
    if has_it_otherwise(task, claim):
        if later := left_to_others(claim, worker.name, worker.services):
            return later
        if is_scheduled(claim, worker.services):
            return Failed(f"no worker could copy it: {why}, by the config of the workers")
    if worker.settings.alone:
        # No other worker and no later run may see to it.
        return Failed(f"dropped: {why}")
    return Cancelled(f"dropped: {why}")


def _tell(claim: Claim, outcome: Outcome | PlanOutcome, seconds: float) -> None:
    tags = _tags(claim, seconds)
    match outcome:
        case Copied(sent=sent):
            tags = _tags(claim, seconds, bytes=sent or None)
            log.info("copied in %.1f s (%s)", seconds, claim.transfer and claim.transfer.reason, extra=tags)
        case PlanDone(shards=shards) if shards:
            log.info("listed in %.1f s, %d parts are left to all workers", seconds, shards, extra=tags)
        case PlanDone(jobs) if claim.shard:
            log.info("a part is planned in %.1f s, %d to copy", seconds, jobs, extra=tags)
        case PlanDone(jobs, seconds=together):
            log.info("planned in %.1f s, %d to copy", seconds if together is None else together, jobs, extra=tags)
        case Cancelled(error):
            log.warning("not copied: %s", error, extra=tags)
        case Failed(error):
            log.error("failed: %s", error, extra=tags)
        case RunFailure(error=error):
            log.error("planning failed: %s", error, extra=tags)
        case RetryAfter(delay, error):
            log.warning("attempt %d failed, next in %.0f s: %s", claim.attempt, delay, error, extra=tags)
        case PutBack(error) | WaitForRegistry(error=error):
            log.info("put back%s", f": {error}" if error else "", extra=tags)


def _tags(claim: Claim, seconds: float | None = None, **more: object) -> dict[str, Any]:
    """`seconds`: how long the attempt took."""
    took = None if seconds is None else round(seconds, 1)
    job = claim.transfer
    if job is None:
        return log_fields(task=claim.task, run=claim.run, seconds=took, **more)
    return log_fields(
        task=claim.task,
        source=job.source,
        target=job.target,
        tag=job.target_reference.short,
        platform=job.platform,
        relay=job.relay,
        attempt=claim.attempt,
        seconds=took,
        **more,
    )
