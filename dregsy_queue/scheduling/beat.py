"""The scheduler as Celery runs it (``celery beat``): it only says "run task X now".

Several may run: one leads; the others stand by, and only write that they are alive. Runs, jobs and limits are Redis'
and the workers'.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import Any

from celery import Celery
from celery import beat as celery_beat
from kombu.exceptions import KombuError
from redis import RedisError

from dregsy_queue import logs, settings
from dregsy_queue.clock import SYSTEM
from dregsy_queue.config.current import CurrentConfig
from dregsy_queue.config.load import ConfigError
from dregsy_queue.config.selection import select_tasks
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.outages import plainly
from dregsy_queue.ledger.roles import Roles
from dregsy_queue.scheduling.leader import Leader
from dregsy_queue.scheduling.leadership import Leadership
from dregsy_queue.scheduling.order_desk import OrderDesk
from dregsy_queue.scheduling.pidboxes import Pidboxes
from dregsy_queue.scheduling.presence import SchedulerPresence, scheduler_name
from dregsy_queue.scheduling.starter import RunStarter
from dregsy_queue.scheduling.timetable import Timetable

log = logging.getLogger(__name__)

#: Seconds between two looks of a standby at the lock, and of a scheduler at a Redis that is away.
STANDBY = 1.0
#: Seconds between two looks for what killed workers left behind.
SWEEP = 60.0


class Scheduler(celery_beat.Scheduler):
    """Starts each periodic task at once and then every interval, and each one-off task once."""

    def __init__(self, app: Celery, *, lazy: bool = False, **options: Any) -> None:  # noqa: ANN401 - Celery's
        options["lazy"] = True
        super().__init__(app, **options)
        self._hung_up = False
        self._waits = self._stands_by = False
        # Celery makes a second one, lazily, only to print its settings.
        if not lazy:
            self._open()

    def _open(self) -> None:
        # Celery makes the scheduler before it sets up logging.
        logs.configure()
        try:
            chosen = settings.from_environment()
        except settings.SettingsError as error:
            sys.exit(str(error))
        try:
            config = CurrentConfig(chosen.config)
            select_tasks(config.get().config, chosen.run)
        except (settings.SettingsError, ConfigError, ValueError) as error:
            sys.exit(f"{error}{settings.where_to_say(chosen.config)}")
        redis = connect(chosen.redis_url)
        name = scheduler_name()
        self._leadership = Leadership(Roles(redis), name)
        starter = RunStarter(chosen, redis, sends=not chosen.alone)
        self._leader = Leader(config, chosen.run, starter, Timetable(redis), self._leadership.keep)
        self._pidboxes, self._next_sweep = Pidboxes(redis), SYSTEM.monotonic() + SWEEP
        kept_for = chosen.keep_days * 86400
        self._desk = OrderDesk(redis, config, starter, least_age=0, kept_for=kept_for, tells_ends=not chosen.alone)
        self._presence = SchedulerPresence(redis, name, config)
        config.follow()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGHUP, self._note_hangup)

    def setup_schedule(self) -> None:
        """Do nothing: only the leader sets up the schedule."""

    @property
    def info(self) -> str:
        return ""

    def tick(self, *_: Any, **__: Any) -> float:  # noqa: ANN401 - Celery's arguments
        """Start what is due, or stand by; returns the seconds until the next look. Never waits for Redis."""
        try:
            wait = self._lead() if self._leadership.keep_or_take() else self._stand_by()
            self._presence.renew(leads=self._leadership.leads, leader=self._leader)
        except (RedisError, KombuError, OSError) as error:
            if not self._waits:
                log.warning("scheduling waits for Redis: %s", plainly(error))
            self._waits = True
            return STANDBY
        if self._waits:
            log.info("Redis answers again")
        self._waits = False
        return wait

    def _lead(self) -> float:
        if self._leadership.new:
            log.info("Acquired lock: this scheduler leads")
            self._leader.begin()
            self._leadership.new = False
        self._stands_by = False
        hung_up, self._hung_up = self._hung_up, False
        try:
            wait = self._leader.tick(hung_up=hung_up)
            self._desk.work()
            if SYSTEM.monotonic() >= self._next_sweep:
                self._next_sweep = SYSTEM.monotonic() + SWEEP
                self._pidboxes.sweep()
            return wait
        except BaseException:
            self._hung_up |= hung_up
            raise

    def _stand_by(self) -> float:
        if not self._stands_by:
            log.info("waiting to lead")
        self._stands_by = True
        if self._hung_up:
            log.warning("SIGHUP: this scheduler stands by and starts nothing; send it to the one that leads")
            self._hung_up = False
        return STANDBY

    def close(self) -> None:
        """The scheduler ends; another one may lead at once."""
        if hasattr(self, "_leadership"):
            self._leadership.leave()

    def _note_hangup(self, *_: object) -> None:
        self._hung_up = True
