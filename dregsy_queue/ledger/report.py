"""Reading runs: their counts while they last, and every image's outcome for the report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dregsy_queue.kinds import RELAYS
from dregsy_queue.ledger.connection import Connection, answers
from dregsy_queue.ledger.jobs import JobResult, ShownJob, run_of
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.outcome import RunFailure
from dregsy_queue.ledger.presence import HEARTBEAT, Moved, Presence


@dataclass(frozen=True)
class RunCounts:
    """A run in numbers. `open` jobs are waiting, admitted or running."""

    run: str
    task: str
    #: "planning", "running", "done"
    state: str
    copied: int
    up_to_date: int
    failed: int
    cancelled: int
    open: int
    #: how many of the failed could not even be planned
    unplanned: int
    #: Unix times in seconds by Redis' clock; `ended` 0 while it lasts
    started: float
    ended: float
    #: why the run was cancelled; "" when it was not
    cancelled_why: str = ""
    #: bytes sent to the target, as far as relays can tell
    sent: int = 0
    #: why it could not be planned as a whole; None: it could
    failure: RunFailure | None = None

    @property
    def outcome(self) -> str:
        """``planning``, ``running``; of one that is over ``failed``, ``cancelled`` or ``done``."""
        if self.state != "done":
            return self.state
        return "failed" if self.failed else "cancelled" if self.cancelled_why else "done"

    @property
    def empty(self) -> bool:
        """Whether the task's mappings have selected no image: the source has none that they want."""
        return self.outcome == "done" and not (self.copied or self.up_to_date or self.cancelled)

    @property
    def figures(self) -> dict[str, object]:
        """What log lines of an ended run have beside their words."""
        return {
            "task": self.task,
            "run": self.run,
            "copied": self.copied,
            "up_to_date": self.up_to_date,
            "failed": self.failed,
            "seconds": round(self.seconds, 1),
        }

    @property
    def seconds(self) -> float:
        """How long it took; 0 while it lasts."""
        return max(0.0, self.ended - self.started) if self.ended else 0.0

    @property
    def total(self) -> int:
        return self.copied + self.up_to_date + self.failed + self.cancelled + self.open

    @property
    def done(self) -> bool:
        return self.state == "done"


@dataclass(frozen=True)
class RunningJob:
    source: str
    target: str
    started: float
    task: str = ""
    #: the worker that runs it
    worker: str = ""
    #: how far it is, as of its worker's last heartbeat; None: its relay does not tell
    moved: Moved | None = None

    @property
    def bytes(self) -> int | None:
        return self.moved.bytes if self.moved else None

    @property
    def rate(self) -> float | None:
        """Bytes per second of late."""
        return self.moved.rate if self.moved else None

    def begins(self, now: float) -> bool:
        """True while its worker cannot have reported its progress yet."""
        return self.moved is None and now - self.started < 2 * HEARTBEAT


class RunReader:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection

    def counts(self, run: str) -> RunCounts | None:
        return self.counts_of([run]).get(run)

    def counts_of(self, runs: Sequence[str]) -> dict[str, RunCounts]:
        """By run; those that are not remembered are left out."""
        found = answers(self._redis, (("HGETALL", key("run", run)) for run in runs))
        return {run: self._counts(run, fields) for run, fields in zip(runs, found, strict=True) if fields}

    def _counts(self, run: str, fields: dict[str, str]) -> RunCounts:
        def number(name: str) -> int:
            return int(fields.get(name, 0))

        return RunCounts(
            run=run,
            task=fields["task"],
            state=fields["state"],
            copied=number("jobs.copied"),
            up_to_date=number("jobs.up-to-date") + number("planned.up-to-date"),
            failed=number("jobs.failed") + number("planned.failed"),
            cancelled=number("jobs.cancelled"),
            open=number("open"),
            unplanned=number("planned.failed"),
            started=float(fields["started"]),
            ended=float(fields.get("ended", 0)),
            cancelled_why=fields.get("cancelled", ""),
            sent=number("bytes"),
            failure=self._failure(run, fields),
        )

    def _failure(self, run: str, fields: dict[str, str]) -> RunFailure | None:
        if not int(fields.get("planned.failed", 0)):
            return None
        error = fields.get("failure")
        if error is None:
            # The release before wrote a row among the images.
            row = self._redis.hget(key("run", run, "planned"), f"{run}:plan")
            error = json.loads(row).get("error", "") if row else None
        return None if error is None else RunFailure(fields["task"], error)

    def runs(self, task: str) -> list[RunCounts]:
        """All runs of the task that are remembered, newest first."""
        return self.runs_of([task])

    def runs_of(self, tasks: Sequence[str]) -> list[RunCounts]:
        """The same of several tasks, one after the other."""
        names = answers(self._redis, (("LRANGE", key("task", task, "runs"), 0, -1) for task in tasks))
        return list(self.counts_of([name for of_task in names for name in of_task]).values())

    def find(self, name: str) -> RunCounts | None:
        """The run of this id, or the newest one of the task of this name."""
        return self.counts(name) or self.newest(name)

    def newest(self, task: str) -> RunCounts | None:
        """The task's newest run, active or done."""
        run = self._redis.lindex(key("task", task, "runs"), 0)
        return self.counts(run) if run else None

    def running_transfers(self) -> list[RunningJob]:
        """Transfers that run now, longest first."""
        jobs = [job for kind in RELAYS for job in self._redis.smembers(key("running", kind))]
        specs = answers(self._redis, (("HGET", key("run", run_of(job), "jobs"), job) for job in jobs))
        fields = answers(self._redis, (("HMGET", key("job", job), "started", "task", "owner") for job in jobs))
        presence = Presence(self._redis)
        moved = {owner: presence.moved(owner) for owner in {owner for *_, owner in fields if owner}}
        found = []
        for job, spec, (started, task, owner) in zip(jobs, specs, fields, strict=True):
            if not spec or not started:
                continue
            shown = ShownJob.parse(spec)
            found.append(
                RunningJob(
                    shown.source,
                    shown.target,
                    float(started),
                    task=task or "",
                    worker=(owner or "").partition("#")[0],
                    moved=moved.get(owner or "", {}).get(job),
                )
            )
        return sorted(found, key=lambda running: running.started)

    def results(self, run: str) -> Iterator[JobResult]:
        """Every image of the run, in no particular order."""
        for job, outcome in self._hash(key("run", run, "planned")).items():
            if job == f"{run}:plan":
                continue
            planned = json.loads(outcome)
            yield JobResult(
                source=planned["source"],
                target=planned["target"],
                status=planned["status"],
                reason=planned["reason"],
                digest=planned.get("digest", ""),
                attempts=0,
                seconds=0.0,
                error=planned.get("error", ""),
            )
        specs = list(self._hash(key("run", run, "jobs")).items())
        for start in range(0, len(specs), 500):
            part = specs[start : start + 500]
            pipeline = self._redis.pipeline(transaction=False)
            for job, _ in part:
                pipeline.hgetall(key("job", job))
            for (_, spec), fields in zip(part, pipeline.execute(), strict=True):
                yield _result(ShownJob.parse(spec), fields)

    def _hash(self, name: str) -> dict[str, str]:
        return dict(self._redis.hscan_iter(name, count=1000))


def _result(shown: ShownJob, fields: dict[str, str]) -> JobResult:
    status = fields.get("state", "failed")
    as_planned = shown.digest if status in ("copied", "up-to-date") else ""
    return JobResult(
        source=shown.source,
        target=shown.target,
        status=status,
        reason=shown.reason,
        digest=fields.get("digest") or as_planned,
        attempts=int(fields.get("attempts", 0)),
        seconds=float(fields.get("seconds", 0) or 0),
        error=fields.get("error", ""),
    )


def rows(reader: RunReader, counts: RunCounts) -> list[dict[str, Any]]:
    """Every image of a run, sorted. A run that could not be planned is a row of its own: its source is the task."""
    found = sorted(reader.results(counts.run), key=lambda job: (job.source, job.target))
    if counts.failure:
        whole = JobResult(counts.failure.task, "", "failed", "planning", "", 0, 0.0, counts.failure.error)
        found.insert(0, whole)
    return [result.as_dict() for result in found]


def report(reader: RunReader, tasks: list[str]) -> dict[str, Any]:
    """The outcome of the newest run of each task, as ``--report`` writes it."""
    result: dict[str, Any] = {}
    for task in tasks:
        counts = reader.newest(task)
        if counts is None:
            continue
        result[task] = {
            "copied": counts.copied,
            "up_to_date": counts.up_to_date,
            "failed": counts.failed,
            **({"cancelled": counts.cancelled} if counts.cancelled else {}),
            "jobs": rows(reader, counts),
        }
    return {"tasks": result}
