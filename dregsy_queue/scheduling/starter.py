"""Starting runs: for the scheduler, for one command without one, and for whoever asks from outside."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from redis import RedisError

from dregsy_queue.config.models import Config, SyncTask
from dregsy_queue.config.registries import limits_for
from dregsy_queue.config.selection import task_fingerprint
from dregsy_queue.dispatch import dispatch
from dregsy_queue.ledger.admission import Admission
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.registry_limits import Limits, RegistryLimiter
from dregsy_queue.ledger.runs import Runs, StartedRun
from dregsy_queue.logs import fields
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.settings import Settings

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)


class RunStarter:
    """Starts runs of sync tasks: for the scheduler, and for one-command mode without one."""

    #: says that this Redis knows us; gone when Redis was emptied
    _SEEN = key("seen")

    def __init__(self, app: Celery | None, chosen: Settings) -> None:
        """Without `app` a run waits until a worker looks for what may run, at most a second."""
        self._app = app
        self._kept = chosen.keep_runs
        self._redis = connect(chosen.redis_url)
        self._runs = Runs(self._redis)
        self._limiter = RegistryLimiter(self._redis)
        self._admission = Admission(self._redis)

    def start(self, task: SyncTask, config: Config) -> StartedRun:
        """Start a run of `task` now; a run that has not ended goes on instead, and a log line says so."""
        source, target = registry_key(task.source.host), registry_key(task.target.host)
        for registry in {source, target}:
            self._limiter.configure(registry, cluster_limits(config, registry))
        started = self._runs.start(
            task.name,
            task_fingerprint(task),
            priority=task.priority,
            kept=self._kept,
            source=source,
            target=target,
        )
        if started.new:
            log.info("run started", extra=fields(task=task.name, run=started.run))
        else:
            log.warning("skipped: the last run has not ended", extra=fields(task=task.name, run=started.run))
        if self._app is not None:
            dispatch(self._app, self._admission)
        return started

    def wait_for_redis(self) -> None:
        """Return when Redis answers."""
        waited = False
        while True:
            try:
                self._redis.ping()
            except (RedisError, OSError) as error:
                if not waited:
                    log.warning("waiting for Redis: %s", error)
                waited = True
                time.sleep(1)
            else:
                return

    def say_that_it_lives(self, stuck: Callable[[], bool]) -> None:
        """Renew the mark of a living scheduler, in the background, unless it is stuck."""
        mark = key("scheduler", socket.gethostname())

        def renew() -> None:
            while True:
                with contextlib.suppress(RedisError, OSError):
                    if not stuck():
                        self._redis.set(mark, "1", ex=30)
                time.sleep(5)

        threading.Thread(target=renew, name="presence", daemon=True).start()

    def is_new_redis(self) -> bool:
        """True once, on a Redis that has not been asked this before (or forgot it)."""
        return bool(self._redis.set(self._SEEN, "1", nx=True))

    def start_once(self, task: SyncTask, config: Config) -> None:
        """Start a one-off task, unless this very task (by fingerprint) was started before on this Redis."""
        mark = key("once", task.name)
        fingerprint = task_fingerprint(task)
        if self._redis.get(mark) == fingerprint:
            log.info("one-off task was started before, not again", extra=fields(task=task.name))
            return
        self.start(task, config)
        # After the start: a scheduler that ends in between starts it again rather than never.
        self._redis.set(mark, fingerprint)


def cluster_limits(config: Config, registry: str) -> Limits:
    """The limits of a registry as the ledger keeps them."""
    limits = limits_for(config.registries, registry)
    return Limits(
        max_concurrent=limits.max_concurrent,
        transfers=limits.transfers,
        requests=limits.requests,
        reserve=limits.reserve,
    )
