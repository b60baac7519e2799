"""How does a worker plan a run? Images go into the run as they are compared."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from weakref import WeakValueDictionary

from dregsy_queue.access.repositories import list_repositories
from dregsy_queue.config.models import SyncTask
from dregsy_queue.config.selection import relay_of
from dregsy_queue.ledger.causes import causes
from dregsy_queue.ledger.claims import Claim, left_to_other_releases
from dregsy_queue.ledger.jobs import JobResult, PlannedOutcome, SyncRecord, TransferJob
from dregsy_queue.ledger.outcome import PlanDone, PlanOutcome, RunFailure
from dregsy_queue.ledger.plan_waits import PlanWait
from dregsy_queue.ledger.runs import PlanLostError
from dregsy_queue.logs import log_fields
from dregsy_queue.planning.comparison import Planned
from dregsy_queue.planning.context import PlanningContext, Route
from dregsy_queue.planning.images import Image
from dregsy_queue.planning.planner import COMPARISONS, Planner, Rounds
from dregsy_queue.planning.shards import from_json, to_json
from dregsy_queue.planning.unasked import Listing
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.errors import RegistryError
from workers.jobs.outcome import is_expected, plan_outcome_of
from workers.jobs.task_of import has_it_otherwise, left_to_others, task_of
from workers.worker import Worker

log = logging.getLogger(__name__)

#: Planned images are handed on when there are so many, or when the first has waited so long (seconds): at first a
#: moment, as nothing is copied before, and then each time twice as long.
BATCH, FIRST_WAIT, LONGEST_WAIT = 200, 0.04, 0.3

#: Lists of target tags, by run and repository, for as long as somebody uses them.
_LISTINGS: WeakValueDictionary[tuple[str, str], Listing] = WeakValueDictionary()


def plan(worker: Worker, claim: Claim) -> PlanOutcome | None:
    """Plan a run or a shard; None when another planner has taken it over."""
    tags = log_fields(task=claim.task, run=claim.run)
    if not claim.shard and (listed := worker.services.runs.listed(claim)):
        task = worker.services.config.task(claim.task)
        return PlanDone(listed.jobs, once=task is not None and not task.interval, seconds=listed.seconds)
    task = task_of(claim, worker.services.config)
    if task is None or has_it_otherwise(task, claim):
        later = left_to_others(claim, worker.name, worker.services)
        return later or RunFailure(claim.task, _why_not_planned(task))
    context = _RunContext(worker, claim, task)
    try:
        images = from_json(claim.shard, named=context.relay == "docker") if claim.shard else None
    except ValueError as error:
        text = f"another release made this part of the plan, this one cannot read it: {error}"
        return left_to_other_releases(claim, text) or RunFailure(claim.task, text)
    try:
        planning = _plan_into_run(worker, claim, task, context, images)
        jobs, targets = worker.services.loop.run(planning, name=claim.name)
        return PlanDone(jobs, once=not task.interval, shards=len(context.parts), targets=targets)
    except PlanLostError as error:
        log.warning("%s", error, extra=tags)
        return None
    except Exception as error:
        if not is_expected(error):
            log.exception("unexpected error in planning", extra=tags)
        return plan_outcome_of(error, claim, worker.settings)
    finally:
        if context.waited:
            worker.services.plan_waits.clear(claim.task)


def _why_not_planned(task: SyncTask | None) -> str:
    if task is None:
        return "no worker could plan it: the task is not in the config any more, or not in that of the workers"
    return "no worker could plan it: the workers' config has the task, or its login, otherwise than the scheduler's"


async def _plan_into_run(
    worker: Worker, claim: Claim, task: SyncTask, context: _RunContext, images: Sequence[Image] | None
) -> tuple[int, int]:
    """`images`: of a shard. Returns how many of those compared here are to be copied, and `PlanDone.targets`."""
    jobs, batch, since, wait = 0, list[Planned](), time.monotonic(), FIRST_WAIT
    failed: list[PlannedOutcome] = []
    retry = worker.services.orders.retried(claim.run)
    greetings = _greet(worker, task)
    planner = _planner(worker, context, shard=claim.shard != "")

    async def hand_on() -> int:
        added = await asyncio.to_thread(worker.services.runs.add, claim, batch)
        worker.services.dispatch()
        return added

    try:
        async for planned in planner.plan(images):
            if isinstance(planned, PlannedOutcome) and planned.error:
                failed.append(planned)
            if retry and isinstance(planned, TransferJob) and not retry.covers(planned.source):
                # The config changed since then; the next run follows it.
                continue
            if not batch:
                since = time.monotonic()
            batch.append(planned)
            if len(batch) >= BATCH or time.monotonic() - since > wait:
                jobs += await hand_on()
                batch, wait = [], min(2 * wait, LONGEST_WAIT)
    except RegistryError:
        # Planning goes on later where it stopped, so what was compared must not be lost.
        if batch:
            await hand_on()
        raise
    finally:
        greetings.cancel()
    jobs += await hand_on() if batch else 0
    _log_failures(task.name, failed)
    # Of a retry some stay out of the run.
    return jobs, 0 if retry else planner.targets


def _greet(worker: Worker, task: SyncTask) -> asyncio.Task[None]:
    """Begin with both registries at once: the target need not wait until the source has told its tags."""
    access = worker.services.access()
    clients = {access.client(location) for location in (task.source, task.target)}

    async def greet() -> None:
        await asyncio.gather(*(client.greet() for client in clients), return_exceptions=True)

    # A task: a gathering that is cancelled before its end is logged as an error.
    return asyncio.create_task(greet())


def _log_failures(task: str, failed: Iterable[PlannedOutcome]) -> None:
    """One line per reason, however many images it stops."""
    for cause in causes(JobResult(f.source, f.target, f.status, f.reason, "", 0, 0.0, f.error) for f in failed):
        images = f" ({cause.number} images)" if cause.number > 1 else ""
        more = log_fields(task=task, source=cause.source, target=cause.target, images=cause.number)
        log.error("cannot plan: %s%s", cause.text, images, extra=more)


def _planner(worker: Worker, context: _RunContext, *, shard: bool) -> Planner:
    rounds = Rounds(worker.settings.max_attempts, worker.settings.backoff)
    # A worker plans two shards at once, see admit.lua: together they ask as many at once as one plan.
    return Planner(context.route(), context, rounds, at_once=COMPARISONS // 2 if shard else COMPARISONS)


class _RunContext(PlanningContext):
    """What the ledger knows of the task whose run is planned."""

    def __init__(self, worker: Worker, claim: Claim, task: SyncTask) -> None:
        services = self._services = worker.services
        self._worker, self._claim, self._task = worker.name, claim, task
        self._config, self._access = services.config.get().config, services.access()
        self.relay = relay_of(self._config, task)
        #: how many images each part has that it left to others, and whether it told that it waits
        self.parts, self.waited = list[int](), False

    def route(self) -> Route:
        """To be called on the event loop."""
        task, access = self._task, self._access
        return Route(
            task,
            self.relay,
            access.client(task.source),
            access.client(task.target),
            access.source_digests(task.source),
            access.target_digests(task.target),
        )

    async def repositories(self) -> list[str]:
        return await list_repositories(self._config, self._task, self._access, self._services.lists)

    def records(self, targets: Sequence[str]) -> list[SyncRecord | None]:
        records = self._services.records
        look_up = records.look_up_with_age if self._task.drift_check else records.look_up
        return look_up(self._task.name, targets)

    def already(self, targets: Sequence[str]) -> set[str]:
        return self._services.runs.planned_targets(self._claim, targets)

    def listing(self, target: RegistryClient, repository: str) -> Listing:
        """One for all shards of the run that this worker has under way."""
        wanted = (self._claim.run, repository)
        found = _LISTINGS.get(wanted)
        if found is None:
            found = _LISTINGS[wanted] = Listing(target, repository)
        return found

    def has_help(self) -> bool:
        if self._claim.shard:
            return False
        workers = self._services.presence.workers()
        return any("shard" in other.kinds and not other.draining for other in workers if other.name != self._worker)

    def share(self, images: Sequence[Image]) -> None:
        self._services.runs.share(self._claim, to_json(images))
        self.parts.append(len(images))
        self._services.dispatch()

    def waits(self, wait: PlanWait) -> None:
        self.waited = True
        self._services.plan_waits.note(self._task.name, wait)

    def note_seen(self, records: Mapping[str, SyncRecord]) -> None:
        self._services.records.note_seen(self._task.name, records, timed=bool(self._task.drift_check))
