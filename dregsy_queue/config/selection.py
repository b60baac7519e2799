"""Which tasks a call is about, and whether a task is still the same one."""

from __future__ import annotations

from typing import Any

from dregsy_queue.config.load import fingerprint
from dregsy_queue.config.models import Config, SyncTask
from dregsy_queue.kinds import RelayName
from dregsy_queue.matching.go_regex import Matcher


def select_tasks(config: Config, run: str) -> list[SyncTask]:
    """Tasks whose whole name matches `run`, in the order of the file; all of them when it is empty.

    Raises:
        ValueError: `run` is not a valid expression.
    """
    if not run.strip():
        return list(config.tasks)
    matcher = Matcher.parse(run)
    return [task for task in config.tasks if matcher.matches(task.name)]


def task_fingerprint(task: SyncTask) -> str:
    """16 hex digits that change when what the task syncs does; neither do credentials count, nor when it runs."""
    ignored: Any = {"source": {"auth"}, "target": {"auth"}, "interval": True, "priority": True, "verbose": True}
    return fingerprint(task.model_dump(mode="json", exclude=ignored))


def relay_of(config: Config, task: SyncTask) -> RelayName:
    """The relay that copies this task's images."""
    return task.relay or config.relay
