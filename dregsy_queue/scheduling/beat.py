"""When: the beat scheduler. It only says "run task X now"; runs, jobs and limits are Redis' and the workers'.

redbeat keeps the schedule and the leader's lock in Redis: several schedulers may run, one leads, and another takes
over when the lock ends.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from types import SimpleNamespace
from typing import Any

from celery import Celery
from celery.schedules import schedule
from kombu.exceptions import KombuError
from redbeat import RedBeatScheduler
from redbeat.schedulers import RedBeatSchedulerEntry, acquire_distributed_beat_lock
from redis import RedisError

from dregsy_queue import logs, settings
from dregsy_queue.config.current import CurrentConfig
from dregsy_queue.config.load import ConfigError
from dregsy_queue.config.models import SyncTask
from dregsy_queue.config.selection import select_tasks
from dregsy_queue.scheduling.starter import RunStarter

log = logging.getLogger(__name__)

#: Seconds after which a tick that has not ended is taken for one that never will.
_LONGEST_TICK = 120.0


class _Entry(RedBeatSchedulerEntry):  # type: ignore[misc] # redbeat has no types
    """An entry whose first run is due at once, not one interval after the scheduler was first started."""

    def __init__(self, *args: Any, last_run_at: Any = None, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, last_run_at=last_run_at, **kwargs)
        self.last_run_at = last_run_at


class Scheduler(RedBeatScheduler):  # type: ignore[misc] # redbeat has no types
    """Every periodic task at once and then every interval; one-off tasks once."""

    Entry = _Entry

    def __init__(self, app: Celery, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Celery's arguments
        self._starter, self._config, self._run_filter = _open(app)
        self._one_off_started = False
        self._waits = False
        self._scheduled = ""
        self._hung_up = False
        signal.signal(signal.SIGHUP, self._note_hangup)
        self._starter.wait_for_redis()
        #: when the tick under way began; None between ticks, and while another scheduler leads
        self._ticking_since: float | None = None
        self._starter.say_that_it_lives(self._is_stuck)
        super().__init__(app, *args, **kwargs)

    def setup_schedule(self) -> None:
        periodic = {task.name: task for task in self._tasks() if task.interval}
        self.app.redbeat_conf.schedule = {
            name: {"task": "dregsy.start", "schedule": schedule(task.interval), "args": [name]}
            for name, task in periodic.items()
        }
        super().setup_schedule()
        self._scheduled = self._config.get().fingerprint

    def tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 - Celery's arguments
        """Start what is due. Redis away, or another leader in the meantime: wait, lead again, go on."""
        self._ticking_since = time.monotonic()
        try:
            return self._tick(*args, **kwargs)
        finally:
            self._ticking_since = None

    def _tick(self, *args: Any, **kwargs: Any) -> float:  # noqa: ANN401 - Celery's arguments
        try:
            if self.lock is None or not self.lock.owned():
                self._lead_again()
            if self._starter.is_new_redis() and self._one_off_started:
                log.warning("Redis was emptied: the schedule is set up anew, all tasks are due")
                self.setup_schedule()
                self._one_off_started = False
            self._follow_config()
            self._start_one_off_tasks()
            wait = float(super().tick(*args, **kwargs))
        except (RedisError, KombuError, OSError) as error:
            if not self._waits:
                log.warning("scheduling waits for Redis: %s", error)
            self._waits = True
            return 1.0
        if self._waits:
            log.info("Redis answers again")
        self._waits = False
        return wait

    def _note_hangup(self, *_: object) -> None:
        self._hung_up = True

    def _follow_config(self) -> None:
        """After SIGHUP: read the config, and run everything from the start. With `watch`: what is new or changed."""
        if self._hung_up:
            self._config.refresh()
            self.setup_schedule()
            log.info("SIGHUP: all tasks run now")
            for task in self._tasks():
                self._starter.start(task, self._config.get().config)
                if task.interval:
                    key = self.Entry.generate_key(self.app, task.name)
                    self.Entry.from_key(key, app=self.app).reschedule()
            self._hung_up = False
        elif self._config.get().fingerprint != self._scheduled:
            self.setup_schedule()
            self._one_off_started = False

    def _start_one_off_tasks(self) -> None:
        # At the first tick, not at start-up: only the leader ticks.
        if not self._one_off_started:
            for task in self._tasks():
                if not task.interval:
                    self._starter.start_once(task, self._config.get().config)
            self._one_off_started = True

    def _lead_again(self) -> None:
        """Take the leader's lock; blocks while another scheduler leads."""
        log.info("waiting to lead")
        self.lock = None
        self._ticking_since = None
        acquire_distributed_beat_lock(SimpleNamespace(scheduler=self))
        self._ticking_since = time.monotonic()

    def _is_stuck(self) -> bool:
        since = self._ticking_since
        return since is not None and time.monotonic() - since > _LONGEST_TICK

    def apply_async(self, entry: _Entry, producer: Any = None, advance: bool = True, **_: Any) -> None:  # noqa: ANN401
        """A task is due. It is started before the schedule moves on: a leader that ends in between is followed by
        one that starts it again, which finds the run active, and no interval is lost."""
        task = next((task for task in self._tasks() if task.name == entry.name), None)
        if task is not None:
            self._starter.start(task, self._config.get().config)
        if advance:
            self.reserve(entry)

    def _tasks(self) -> list[SyncTask]:
        return select_tasks(self._config.get().config, self._run_filter)


def _open(app: Celery) -> tuple[RunStarter, CurrentConfig, str]:
    # Celery makes the scheduler before it sets up logging.
    logs.configure()
    try:
        chosen = settings.from_environment()
        config = CurrentConfig(chosen.config)
        select_tasks(config.get().config, chosen.run)
    except (settings.SettingsError, ConfigError, ValueError) as error:
        sys.exit(str(error))
    return RunStarter(app, chosen), config, chosen.run
