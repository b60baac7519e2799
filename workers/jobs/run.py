"""What a worker does with one job: claim it, do it, say how it ended."""

from __future__ import annotations

import asyncio
import logging
import time

from redis import RedisError

from dregsy_queue import backoff
from dregsy_queue.access.repositories import list_repositories
from dregsy_queue.config.models import SyncTask
from dregsy_queue.config.selection import relay_of, task_fingerprint
from dregsy_queue.ledger.claims import Claim
from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob
from dregsy_queue.ledger.records import SyncRecord
from dregsy_queue.ledger.runs import PlanLostError
from dregsy_queue.logs import fields
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.oci.reference import Reference
from dregsy_queue.planning.planner import Planned, Planner
from dregsy_queue.redact import scrub
from dregsy_queue.registry.errors import RegistryError
from workers.event_loop import CancelledError
from workers.jobs.transfer import transfer
from workers.relays.relay import RelayError
from workers.worker import Worker

log = logging.getLogger(__name__)

#: Planned images are handed on when there are so many, or when the first has waited so long (seconds).
BATCH, BATCH_WAIT = 200, 0.3
#: Seconds between two looks at a daemon that does not answer yet.
DAEMON_PAUSE = 10.0


def run(worker: Worker, job: str, epoch: int) -> None:
    """Do one job. Every way it can end is written to the ledger; without a ledger the job is done again."""
    try:
        claim = worker.services.claims.take(job, epoch, worker.name)
    except (RedisError, OSError) as error:
        # Not claimed in time it is admitted anew.
        log.warning("cannot claim a job: %s", error, extra=fields(job=job))
        return
    if claim is None:
        log.debug("late message, its job is not waiting for it", extra=fields(job=job))
        return
    try:
        if claim.transfer is None:
            _plan(worker, claim)
        else:
            _transfer(worker, claim, claim.transfer)
    except (RedisError, OSError) as error:
        # The lease ends, and the job runs again elsewhere.
        log.warning("the outcome of a job could not be written: %s", error, extra=fields(task=claim.task, job=job))
    finally:
        worker.services.dispatch()


def _transfer(worker: Worker, claim: Claim, job: TransferJob) -> None:
    tags = fields(
        task=claim.task,
        source=job.source,
        target=job.target,
        tag=_tag(job.target),
        platform=job.platform,
        relay=job.relay,
    )
    started = time.monotonic()

    def seconds() -> float:
        return time.monotonic() - started

    def refused(registry: str, text: str, asked: float | None) -> None:
        """Too many requests: nothing is wrong with the job, it waits with all others of this registry."""
        wait, new = worker.services.limiter.pause(registry_key(registry), asked, claim.job)
        worker.services.claims.put_back(claim, error=scrub(text), seconds=seconds(), counted=False)
        if new:
            log.warning("too many requests: registry is paused for %.0f s", wait, extra=fields(registry=registry))

    def fail(text: str, *, temporary: bool, asked: float | None = None, most_attempts: int | None = None) -> None:
        text = scrub(text)
        if temporary and claim.attempt < min(
            most_attempts or worker.settings.max_attempts, worker.settings.max_attempts
        ):
            wait = backoff.delay(worker.settings.backoff, claim.attempt, asked)
            worker.services.claims.put_back(claim, delay=wait, error=text, seconds=seconds())
            log.warning("attempt %d failed, next in %.0f s: %s", claim.attempt, wait, text, extra=tags)
        elif worker.services.claims.settle(claim, "failed", error=text, seconds=seconds()):
            log.error("failed: %s", text, extra=tags)

    task = _current_task(worker, claim)
    if task is None or not _same_registries(task, job):
        why = "its task is not in the config any more" if task is None else "its task has other registries by now"
        worker.services.claims.settle(claim, "failed", error=f"dropped: {why}", seconds=0)
        log.info("dropped: %s", why, extra=tags)
        return
    try:
        relay = worker.relays.relay(job.relay)
        done = worker.services.loop.run(
            transfer(job, task, relay, worker.services.access(), attempt=claim.attempt), name=claim.job
        )
    except CancelledError:
        worker.services.claims.put_back(claim, seconds=seconds())
        log.info("put back", extra=tags)
    except RelayError as error:
        if error.missing and not worker.settings.alone:
            worker.relays.withdraw(job.relay)
            worker.services.claims.put_back(claim, error=str(error), counted=False)
            log.error("this worker takes no %s jobs any more: %s", job.relay, error, extra=tags)
        elif error.missing and error.temporary and worker.relays.may_still_come():
            worker.relays.log_wait_once(job.relay, str(error))
            worker.services.claims.put_back(claim, delay=DAEMON_PAUSE, error=str(error), counted=False)
        elif error.refused_by:
            refused(Reference.parse(getattr(job, error.refused_by)).registry, str(error), None)
        else:
            fail(str(error), temporary=error.temporary, most_attempts=error.most_attempts)
    except RegistryError as error:
        if error.kind == "rate-limited":
            refused(error.registry, str(error), error.retry_after)
        else:
            fail(str(error), temporary=error.temporary, asked=error.retry_after)
    except Exception as error:
        log.exception("unexpected error in a transfer", extra=tags)
        fail(f"unexpected error: {type(error).__name__}: {error}", temporary=True)
    else:
        record = str(SyncRecord(job.source_digest, done.digest))
        if worker.services.claims.settle(
            claim, "copied", digest=done.digest, seconds=seconds(), record=record, sent=done.sent or 0
        ):
            log.info("copied in %.1f s (%s)", seconds(), job.reason, extra=tags)


def _tag(reference: str) -> str:
    """The tag of a reference, or its digest."""
    name, _, digest = reference.rpartition("/")[2].partition("@")
    return name.partition(":")[2] or digest


def _plan(worker: Worker, claim: Claim) -> None:
    tags = fields(task=claim.task, run=claim.run)
    started = time.monotonic()
    problem: PlannedOutcome | None = None
    task = _current_task(worker, claim)
    if task is None:
        log.info("dropped: the task is not in the config any more", extra=tags)
        worker.services.runs.end_plan(claim)
        return
    if task_fingerprint(task) != claim.fingerprint:
        if claim.attempt < worker.settings.max_attempts:
            worker.services.claims.put_back(claim, delay=backoff.delay(worker.settings.backoff, claim.attempt))
            log.warning("the task is another one in this worker's config: left to others for now", extra=tags)
            return
        log.warning("planned as this worker's config has it, which is not what the scheduler has", extra=tags)
    try:
        jobs = worker.services.loop.run(_plan_into_run(worker, claim, task), name=claim.job)
    except CancelledError:
        worker.services.claims.put_back(claim)
        log.info("planning put back", extra=tags)
        return
    except PlanLostError as error:
        log.warning("%s", error, extra=tags)
        return
    except RegistryError as error:
        if error.kind == "rate-limited":
            # What was planned so far stays; the rest is planned when the registry answers again.
            worker.services.claims.put_back(claim, delay=error.retry_after or 1, error=str(error), counted=False)
            log.info("planning waits: %s", error, extra=tags)
            return
        log.error("planning failed: %s", error, extra=tags)
        problem = PlannedOutcome(claim.task, "", "", "failed", "planning", error=scrub(str(error)))
    except Exception as error:
        log.exception("unexpected error in planning", extra=tags)
        text = scrub(f"unexpected error: {type(error).__name__}: {error}")
        problem = PlannedOutcome(claim.task, "", "", "failed", "planning", error=text)
    else:
        log.info("planned in %.1f s, %d to copy", time.monotonic() - started, jobs, extra=tags)
    worker.services.runs.end_plan(claim, problem)


async def _plan_into_run(worker: Worker, claim: Claim, task: SyncTask) -> int:
    config, access = worker.services.config.get().config, worker.services.access()
    planner = Planner(
        task,
        relay_of(config, task),
        access.client(task.source),
        access.client(task.target),
        lambda targets: worker.services.records.look_up(task.name, targets),
        lambda: list_repositories(config, task, access, worker.services.lists),
        attempts=worker.settings.max_attempts,
        backoff=worker.settings.backoff,
    )
    jobs, batch, since = 0, list[Planned](), time.monotonic()

    async def hand_on() -> int:
        added = await asyncio.to_thread(worker.services.runs.add, claim, batch)
        await asyncio.to_thread(worker.services.dispatch)
        return added

    async for planned in planner.plan():
        if isinstance(planned, PlannedOutcome) and planned.error:
            log.error(
                "cannot plan: %s",
                planned.error,
                extra=fields(task=task.name, source=planned.source, target=planned.target),
            )
        if not batch:
            since = time.monotonic()
        batch.append(planned)
        if len(batch) >= BATCH or time.monotonic() - since > BATCH_WAIT:
            jobs += await hand_on()
            batch = []
    return jobs + (await hand_on() if batch else 0)


def _current_task(worker: Worker, claim: Claim) -> SyncTask | None:
    """The task as this worker's own config has it: jobs carry names, the config has the rest.

    A config other than that by which the run was started may be an old one, so the file is looked at again.
    """
    task = worker.services.config.task(claim.task)
    if (task is None or task_fingerprint(task) != claim.fingerprint) and worker.services.config.refresh():
        task = worker.services.config.task(claim.task)
    return task


def _same_registries(task: SyncTask, job: TransferJob) -> bool:
    """Whether a job planned under another config can run under this one."""
    return job.source.startswith(f"{task.source.host}/") and job.target.startswith(f"{task.target.host}/")
