"""The situation as JSON: all that the text tells, and every image of the newest runs."""

from __future__ import annotations

from typing import Any

from dregsy_queue.ledger.advice import advice
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.holds import Hold
from dregsy_queue.ledger.overview import RegistryOverview, TaskOverview
from dregsy_queue.ledger.report import RunReader, report
from dregsy_queue.ledger.roles import Role
from dregsy_queue.ledger.situation import Failure, Situation


def document(connection: Connection, situation: Situation, only: str | None) -> dict[str, Any]:
    """`only`: this task alone. Times are Unix times in seconds; what is not known or does not exist is null."""
    tasks = [task for task in situation.tasks if only is None or task.name == only]
    images = report(RunReader(connection), [task.name for task in tasks])["tasks"]
    verdict = situation.verdict
    return {
        "good": verdict.good,
        "problems": verdict.problems,
        "facts": verdict.facts,
        "now": situation.now,
        "tasks": {
            task.name: {
                **_task(task),
                "failures": [_failure(failure) for failure in situation.failures.get(task.name, [])],
                **images.get(task.name, {"copied": 0, "up_to_date": 0, "failed": 0, "jobs": []}),
            }
            for task in tasks
        },
        "jobs": situation.states,
        "running": [
            {"task": job.task, "source": job.source, "target": job.target, "worker": job.worker,
             "started": job.started, "seconds": max(0.0, situation.now - job.started), "bytes": job.bytes,
             "bytes_per_second": job.rate}
            for job in situation.running if only is None or job.task == only
        ],
        "waiting": [
            {"task": waiting.task, "number": waiting.number, "why": waiting.why, "seconds": waiting.seconds}
            for waiting in situation.waiting if only is None or waiting.task == only
        ],
        "schedulers": [_role(role) for role in situation.schedulers],
        "workers": _workers(situation),
        "lost_workers": list(situation.lost_workers),
        "registries": {registry.name: _registry(registry) for registry in situation.registries},
    }  # fmt: skip


def _task(task: TaskOverview) -> dict[str, Any]:
    run = task.newest
    return {
        "state": run.outcome if run else "never ran",
        "run": run.run if run else None,
        "started": run.started if run else None,
        "ended": run.ended or None if run else None,
        "seconds": run.seconds if run and run.done else None,
        "open": run.open if run else 0,
        "cancelled": run.cancelled if run else 0,
        "waiting": task.waiting,
        "lag": task.lag if task.lag_known else None,
        "last_good": task.last_good or None,
        "interval": task.interval or None,
        "next_run": task.next_run or None,
        "left_config": task.left or None,
        "paused": _hold(task.hold),
    }


def _failure(failure: Failure) -> dict[str, Any]:
    cause = failure.cause
    return {
        "reason": cause.text,
        "images": cause.number,
        "run": failure.run,
        "since": failure.since or None,
        "attempts": cause.attempts,
        "example": None if cause.stops_run else {"source": cause.source, "target": cause.target},
        "advice": advice(cause.text),
    }


def _workers(situation: Situation) -> list[dict[str, Any]]:
    roles = {role.name: role for role in situation.worker_roles}
    return [
        {
            "name": worker.name,
            "slots": worker.slots,
            "running": worker.running,
            "kinds": list(worker.kinds),
            "draining": worker.draining,
            "config": roles[worker.name].config if worker.name in roles else None,
            "config_error": (roles[worker.name].error or None) if worker.name in roles else None,
        }
        for worker in situation.workers
    ]


def _role(role: Role) -> dict[str, Any]:
    return {
        "name": role.name,
        "leads": role.leads,
        "lives": role.lives,
        "since": role.since,
        "config": role.config or None,
        "config_error": role.error or None,
        "version": role.version,
    }


def _registry(registry: RegistryOverview) -> dict[str, Any]:
    return {
        "using": registry.using,
        "max_concurrent": registry.max_concurrent,
        "level": registry.level,
        "beyond_level": registry.beyond or None,
        "window_transfers": registry.started if registry.transfers is not None else None,
        "transfers": registry.transfers,
        "window": registry.window or None,
        "paused": registry.paused,
        "held": _hold(registry.hold),
        "quota_left": registry.quota_left,
        "reserve": registry.reserve,
    }


def _hold(hold: Hold | None) -> dict[str, Any] | None:
    return {"since": hold.since, "until": hold.until or None, "reason": hold.reason} if hold else None
