"""Which tasks a call is about, and whether a task is still the same one."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from dregsy_queue.config.load import fingerprint
from dregsy_queue.config.models import Config, Location, SyncTask
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
    """16 hex digits that change when the task syncs something else; credentials and interval do not count."""
    ignored: Any = {"source": {"auth"}, "target": {"auth"}, "interval": True, "priority": True, "verbose": True}
    # Keys that are left out do not count: a release that knows more of them makes the same of the same file.
    return fingerprint(task.model_dump(mode="json", exclude=ignored, exclude_defaults=True))


def login_fingerprint(task: SyncTask) -> str:
    """8 hex digits that change with the logins to the task's registries; slow on purpose (see `_slow_hash`)."""
    return _slow_hash(tuple(_login(location) for location in (task.source, task.target)))


def run_fingerprint(task: SyncTask) -> str:
    """Tells runs of this task apart: changes with what it syncs, and with its logins."""
    return f"{task_fingerprint(task)}-{login_fingerprint(task)}"


def _login(location: Location) -> str:
    found = location.credentials
    return f"{found.username}\0{found.password}" if found else str(location.auth)


@lru_cache(maxsize=10_000)
def _slow_hash(logins: tuple[str, ...]) -> str:
    # Few digits of a slow hash: nobody can try passwords by it.
    secret = "\0\0".join(logins).encode()
    return hashlib.pbkdf2_hmac("sha256", secret, b"dregsy login", 20_000).hex()[:8]


def relay_of(config: Config, task: SyncTask) -> RelayName:
    """The relay that copies this task's images."""
    return task.relay or config.relay
