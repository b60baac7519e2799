"""Starting runs: for the scheduler, for one command without one, and for callers from outside."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence

from dregsy_queue.config.models import Config, SyncTask
from dregsy_queue.config.registries import limits_for
from dregsy_queue.config.selection import run_fingerprint
from dregsy_queue.dispatch import dispatch
from dregsy_queue.ledger.admission import Admission
from dregsy_queue.ledger.connection import Connection, connect
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.registry_limits import Limits, RegistryLimiter
from dregsy_queue.ledger.runs import Runs, Start, StartedRun
from dregsy_queue.logs import log_fields
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.settings import Settings

log = logging.getLogger(__name__)


class RunStarter:
    """Starts runs of sync tasks: for the scheduler, and for one-command mode without one."""

    def __init__(self, chosen: Settings, connection: Connection | None = None, *, sends: bool = False) -> None:
        """`sends`: what may run then is sent at once; else it waits until a worker looks for it, at most a second.
        One-command mode sends nothing, and workers look right after they have started runs themselves."""
        self._sends = sends
        self._kept = chosen.keep_runs
        self._redis = connection or connect(chosen.redis_url)
        self._runs, self._orders = Runs(self._redis), Orders(self._redis)
        self._limiter = RegistryLimiter(self._redis)
        self._admission = Admission(self._redis)

    def start(self, task: SyncTask, config: Config) -> StartedRun:
        """Start a run of `task` now; a run that has not ended goes on instead, and a log line says so."""
        self.hand_over_limits([task], config)
        started = self._runs.start_all([self._start_of(task)])[0]
        if isinstance(started, Exception):
            raise started
        _log_start(task, started)
        self.send()
        return started

    def start_all(self, tasks: Sequence[SyncTask]) -> list[str]:
        """Start runs of these tasks in one call to Redis, `send` must follow; returns the names of those that run now.

        Raises: redis.RedisError when none could be started.
        """
        outcomes = self._runs.start_all([self._start_of(task) for task in tasks])
        refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        for task, outcome in zip(tasks, outcomes, strict=True):
            if not isinstance(outcome, Exception):
                _log_start(task, outcome)
        if refused and len(refused) == len(tasks):
            raise refused[0]
        if refused:
            log.warning("%d of %d runs could not be started yet: %s", len(refused), len(tasks), refused[0])
        return [task.name for task, outcome in zip(tasks, outcomes, strict=True) if not isinstance(outcome, Exception)]

    def send(self) -> None:
        """Send what may run now; the workers send what cannot be sent yet."""
        if self._sends:
            dispatch(self._admission)

    def hand_over_limits(self, tasks: Iterable[SyncTask], config: Config) -> None:
        """Tell the ledger the limits of all registries that `tasks` name."""
        for registry in {registry_key(location.host) for task in tasks for location in (task.source, task.target)}:
            self._limiter.configure(registry, cluster_limits(config, registry))

    def mark_redis(self) -> bool:
        """Mark this Redis as known. True if it was not: it is new, or was emptied."""
        return self._runs.mark_redis()

    def not_started(self, tasks: Sequence[SyncTask]) -> list[str]:
        """Names of those one-off tasks that, in their present form, no run was planned for yet."""
        found = self._runs.not_planned({task.name: run_fingerprint(task) for task in tasks})
        new = set(found)
        for task in tasks:
            if task.name not in new:
                log.info("one-off task was started before, not again", extra=log_fields(task=task.name))
        return found

    def active(self, tasks: Sequence[SyncTask]) -> list[str]:
        """Names of those of `tasks` of which a run has not ended."""
        return self._runs.active([task.name for task in tasks])

    def cancel_left(self, known: Collection[str]) -> None:
        """What waits of tasks that left the config (`known` are in it) ends as cancelled."""
        for task, run in self._orders.cancel_left(known):
            text = "the task is not in the config any more: what waits of its run ends as cancelled"
            log.warning(text, extra=log_fields(task=task, run=run))

    def _start_of(self, task: SyncTask) -> Start:
        return Start(
            task=task.name,
            fingerprint=run_fingerprint(task),
            priority=task.priority,
            kept=self._kept,
            source=registry_key(task.source.host),
            target=registry_key(task.target.host),
        )


def _log_start(task: SyncTask, started: StartedRun) -> None:
    tags = log_fields(task=task.name, run=started.run)
    if started.new:
        log.info("run started", extra=tags)
    elif started.follows:
        log.info("the task was changed: its run ends early, and a new one follows", extra=tags)
    else:
        log.warning("skipped: the last run has not ended", extra=tags)


def cluster_limits(config: Config, registry: str) -> Limits:
    """The limits of a registry as the ledger keeps them."""
    limits = limits_for(config.registries, registry)
    return Limits(
        max_concurrent=limits.max_concurrent,
        transfers=limits.transfers,
        requests=limits.requests,
        reserve=limits.reserve,
    )
