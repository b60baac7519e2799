"""Runs: a task's images from planning to the last transfer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dregsy_queue.errors import DregsyError
from dregsy_queue.ledger.claims import Claim
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob, job_id
from dregsy_queue.ledger.outages import outlast
from dregsy_queue.ledger.outcome import RunFailure
from dregsy_queue.ledger.scripts import Scripts

#: Images handed to Redis in one call: bounds how long one script holds Redis (about a millisecond per 100).
BATCH = 200


class PlanLostError(DregsyError):
    """This planner no longer holds its plan: it was taken for dead and another one plans the run."""


@dataclass(frozen=True)
class StartedRun:
    """`run` is new, or (`new` false) the one that still runs."""

    run: str
    new: bool


class Runs:
    def __init__(self, connection: Connection) -> None:
        self._scripts = Scripts(connection)

    def start(self, task: str, fingerprint: str, *, priority: int, kept: int, source: str, target: str) -> StartedRun:
        """Start a run of `task` unless one is active; keeps the newest `kept` (≥ 1) runs of the task.

        `source` and `target` are its registries (`registry_key`), whose limits its jobs obey.
        """
        run, new = self._scripts.run("start_run", task, fingerprint, priority, max(1, kept), source, target)
        return StartedRun(run, bool(new))

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
                values += [identity, image.relay, image.to_json(), "", ""]
            else:
                values += [identity, "", "", image.to_json(), image.status]
            if len(values) >= 5 * BATCH:
                added += self._add(plan, values)
                values = []
        return added + (self._add(plan, values) if values else 0)

    def _add(self, plan: Claim, values: list[str]) -> int:
        added = int(outlast(lambda: self._scripts.run("add_planned", plan.job, plan.epoch, *values)))
        if added < 0:
            raise PlanLostError(f"run {plan.run} of task '{plan.task}' is planned by another worker by now")
        return added

    def end_plan(self, plan: Claim, problem: RunFailure | None = None) -> bool:
        """Planning is over; `problem` says why it failed as a whole. False when the plan was lost."""
        text = ""
        if problem is not None:
            text = PlannedOutcome(problem.task, "", "", "failed", "planning", error=problem.error).to_json()
        return bool(outlast(lambda: self._scripts.run("end_plan", plan.job, plan.epoch, text)))
