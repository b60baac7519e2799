"""Runs: a task's images from planning to the last transfer."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dregsy_queue.errors import DregsyError
from dregsy_queue.ledger.claims import Claim
from dregsy_queue.ledger.connection import Connection, answers
from dregsy_queue.ledger.in_hand import InHand
from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob, job_id, shard_id
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.outages import outlast
from dregsy_queue.ledger.outcome import RunFailure
from dregsy_queue.ledger.scripts import Scripts
from dregsy_queue.logs import log_fields, scrub_line

log = logging.getLogger(__name__)

#: Images handed to Redis in one call: bounds how long one script holds Redis (about two milliseconds).
BATCH = 50


class PlanLostError(DregsyError):
    """This planner no longer holds its plan: it was taken for dead and another one plans the run."""


@dataclass(frozen=True)
class StartedRun:
    """`run` is new, or (`new` false) the one that still runs.

    `follows`: that one is of another config, its waiting jobs are cancelled, and a new run begins by itself when its
    last running job ends.
    """

    run: str
    new: bool
    follows: bool = False


@dataclass(frozen=True)
class Listed:
    """A run that several workers planned: `jobs` images are to be copied, and it took `seconds` from its start on."""

    jobs: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Start:
    """A run of `task` to be started, unless one is active.

    One that is active under another fingerprint is superseded (see `StartedRun.follows`). The newest `kept` (≥ 1) runs
    of the task are kept. `source` and `target` are its registries (`registry_key`), whose limits its jobs obey.
    """

    task: str
    fingerprint: str
    priority: int
    kept: int
    source: str
    target: str

    def arguments(self) -> tuple[str | int, ...]:
        unique = secrets.token_hex(4)
        return (self.task, self.fingerprint, self.priority, max(1, self.kept), self.source, self.target, unique)


def _started(answer: tuple[str, int]) -> StartedRun:
    run, how = answer
    return StartedRun(run, how == 1, follows=how == 2)


class Runs:
    def __init__(self, connection: Connection, in_hand: InHand | None = None) -> None:
        """`in_hand`: of the worker that plans."""
        self._redis = connection
        self._scripts = Scripts(connection)
        self._in_hand = in_hand or InHand()

    def start(self, task: str, fingerprint: str, *, priority: int, kept: int, source: str, target: str) -> StartedRun:
        """Start a run of `task` unless one is active, see `Start`."""
        start = Start(task=task, fingerprint=fingerprint, priority=priority, kept=kept, source=source, target=target)
        return _started(self._scripts.run("start_run", *start.arguments()))

    def start_all(self, starts: Sequence[Start]) -> list[StartedRun | Exception]:
        """Start many in one call to Redis; an error that it answers to one stands in its place."""
        answers = self._scripts.run_all("start_run", [start.arguments() for start in starts])
        return [answer if isinstance(answer, Exception) else _started(answer) for answer in answers]

    def add(self, plan: Claim, images: Iterable[TransferJob | PlannedOutcome]) -> int:
        """Put planned images into the run; returns how many became jobs.

        Raises:
            PlanLostError: the run is planned by another worker by now.
        """
        run, added = plan.run, 0
        values: list[str] = []
        for image in images:
            identity = job_id(run, image.source, image.target, image.platform)
            if isinstance(image, TransferJob):
                values += [identity, image.relay, image.target, image.to_json(), "", ""]
            else:
                values += [identity, "", image.target, "", image.to_json(), image.status]
            if len(values) >= 6 * BATCH:
                added += self._add(plan, values)
                values = []
        return added + (self._add(plan, values) if values else 0)

    def _add(self, plan: Claim, values: list[str]) -> int:
        added = int(outlast(lambda: self._scripts.run("add_planned", plan.job, plan.epoch, plan.worker, *values)))
        if added < 0:
            raise self._lost(plan)
        return added

    @staticmethod
    def _lost(plan: Claim) -> PlanLostError:
        return PlanLostError(f"run {plan.run} of task '{plan.task}' is planned by another worker by now")

    def share(self, plan: Claim, images: str) -> None:
        """Leave a part of what is to be planned to whichever worker takes it; the run is planned when all parts are.

        `images` is what the planner's `Claim.shard` says. The same ones again in this attempt at the plan are no second
        part, and other ones never the same part: several threads may call this at once.

        Raises:
            PlanLostError: the run is planned by another worker by now.
        """
        shard = shard_id(plan.run, plan.epoch, images)
        if outlast(lambda: self._scripts.run("add_shard", plan.job, plan.epoch, plan.worker, shard, images)) < 0:
            raise self._lost(plan)

    def listed(self, plan: Claim) -> Listed | None:
        """What came of a plan whose shards have ended, so that nothing is left to look at; None: it has not come to
        that."""
        listed, started = self._redis.hmget(key("run", plan.run), ["listed", "started"])
        if not listed:
            return None
        seconds, microseconds = self._redis.time()
        jobs = self._redis.hlen(key("run", plan.run, "jobs"))
        return Listed(jobs, max(0.0, seconds + microseconds / 1e6 - float(started or 0)))

    def planned_targets(self, plan: Claim, targets: Sequence[str]) -> set[str]:
        """Those of `targets` that an earlier attempt at this plan has put into the run: they need no second look."""
        if not targets:
            return set()
        known = self._redis.smismember(key("run", plan.run, "targets"), list(targets))
        return {target for target, seen in zip(targets, known, strict=True) if seen}

    def not_planned(self, fingerprints: Mapping[str, str]) -> list[str]:
        """Those of one-off tasks, by name, that no run was planned for since they have this fingerprint."""
        marks = self._redis.mget([key("once", task) for task in fingerprints]) if fingerprints else []
        return [task for (task, now), mark in zip(fingerprints.items(), marks, strict=True) if mark != now]

    def active(self, tasks: Sequence[str]) -> list[str]:
        """Those of `tasks` of which a run has not ended."""
        found = answers(self._redis, (("HGET", key("task", task), "active") for task in tasks))
        return [task for task, run in zip(tasks, found, strict=True) if run]

    def mark_redis(self) -> bool:
        """Mark this Redis as known. True if it was not: it is new, or was emptied."""
        return bool(self._redis.set(key("seen"), "1", nx=True))

    def end_plan(self, plan: Claim, failure: RunFailure | None = None, *, once: bool = False, targets: int = 0) -> bool:
        """Planning is over, that of a run or of a shard; `failure` says why it failed as a whole. A run whose shards
        have not ended is planned when they have. False when the plan was lost to another worker, or when Redis has lost
        a part of it (it was put back to an earlier state), so that the run is planned once more.

        `once`: now that it is planned the task counts as started, and as it is now it does not start again. `targets`:
        how many the plan has, those of its shards too; 0: not known here.

        While Redis does not take it, it is kept (see `InHand`).
        """
        text = scrub_line(failure.error) or "no reason given" if failure else ""
        values = (plan.job, plan.epoch, plan.worker, text, int(once), secrets.token_hex(8), targets)

        def write() -> bool:
            answer = int(self._scripts.run("end_plan", *values))
            if answer == 2:
                text = "planned once more: Redis lost a part of the plan, as in a fail-over that loses data"
                log.warning(text, extra=log_fields(task=plan.task, run=plan.run))
            return answer == 1

        return self._in_hand.write(plan.job, plan.epoch, write)
