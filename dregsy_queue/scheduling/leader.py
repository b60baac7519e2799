"""What does the leading scheduler do at each look? Starts what is due, and follows the config."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.config.current import CurrentConfig, Snapshot
from dregsy_queue.config.models import SyncTask
from dregsy_queue.config.selection import login_fingerprint, select_tasks, task_fingerprint
from dregsy_queue.ledger.roles import Scheduled
from dregsy_queue.scheduling.starter import RunStarter
from dregsy_queue.scheduling.timetable import Entry, Timetable

log = logging.getLogger(__name__)

#: Seconds between two looks.
LOOK = 1.0
#: Seconds after which the whole timetable is looked through.
THOROUGH = 30.0
#: Runs started in one call to Redis; the lock is renewed in between.
BATCH = 100


class Leader:
    """`still_leads` renews the lock, and says whether it is still ours."""

    def __init__(
        self,
        config: CurrentConfig,
        run_filter: str,
        starter: RunStarter,
        timetable: Timetable,
        still_leads: Callable[[], bool],
        clock: Clock = SYSTEM,
    ) -> None:
        self._config, self._run_filter = config, run_filter
        self._starter, self._timetable, self._still_leads = starter, timetable, still_leads
        self._set_up_as: Snapshot | None = None
        self._tasks: dict[str, SyncTask] = {}
        self._clock, self._thorough = clock, 0.0
        self._has_led = False
        #: tasks and when they are due, for those who ask; None: as before
        self._changed = True

    def begin(self) -> None:
        """This scheduler leads from now on: the schedule is that of its file, as it is now."""
        self._config.refresh()
        for finding in self._timetable.examine(self._config.snapshot.tasks):
            log.error("%s", finding)
        self._set_up_as = None
        self._tasks = {}

    def tick(self, *, hung_up: bool) -> float:
        """Start what is due; returns the seconds until the next look. `hung_up`: run everything."""
        # With its data an emptied Redis loses the leader's lock, so this may be a second beginning.
        if self._starter.mark_redis() and self._has_led:
            log.warning("Redis was emptied: the schedule is set up again, all tasks are due")
            self._set_up_as, self._tasks = None, {}
        if hung_up:
            self._config.refresh()
        if self._config.snapshot is not self._set_up_as:
            self._set_up(self._config.snapshot)
        if hung_up:
            log.info("SIGHUP: all tasks run now")
            self._start(list(self._tasks))
            self._timetable.restart(self._tasks, self._timetable.now())
        now = self._timetable.now()
        if self._clock.monotonic() - self._thorough > THOROUGH:
            self._thorough = self._clock.monotonic()
            self._timetable.put_right(now)
            self._starter.cancel_left(self._config.snapshot.tasks)
        self._start_due(now)
        return LOOK

    def scheduled(self) -> Mapping[str, Scheduled] | None:
        """What is in store for all tasks of the config; None: what was told before."""
        if not self._changed:
            return None
        dues = self._timetable.dues()
        return {name: Scheduled(int(task.interval or 0), dues.get(name, 0)) for name, task in self._tasks.items()}

    def told(self) -> None:
        """Redis has what is in store."""
        self._changed = False

    def _set_up(self, snapshot: Snapshot) -> None:
        config = snapshot.loaded.config
        before, self._tasks = self._tasks, {task.name: task for task in select_tasks(config, self._run_filter)}
        first = self._set_up_as is None
        at_once = first or bool(config.watch)
        self._starter.hand_over_limits(self._tasks.values(), config)
        entries = {
            name: Entry(int(task.interval), task_fingerprint(task), login_fingerprint(task))
            for name, task in self._tasks.items()
            if task.interval
        }
        self._timetable.set_up(entries, at_once=at_once)
        one_off = [task for task in self._tasks.values() if not task.interval]
        again = [task.name for task in one_off if _other_login(task, before.get(task.name))]
        if at_once:
            new = self._starter.not_started(one_off)
            again += [name for name in new if name not in again]
        # Its jobs may wait for a relay that no worker has any more.
        others = [task for task in self._tasks.values() if _other_relay(task, before.get(task.name))]
        again += [name for name in self._starter.active(others) if name not in again]
        self._start(again)
        self._set_up_as, self._changed, self._has_led = snapshot, True, True

    def _start_due(self, now: float) -> None:
        due = self._timetable.due(now)
        names = list(due)
        for first in range(0, len(names), BATCH):
            if first and not self._still_leads():
                return
            batch = names[first : first + BATCH]
            started = self._starter.start_all([self._tasks[name] for name in batch])
            self._timetable.started({name: due[name] for name in started}, now)
            self._changed = True
        if names:
            self._starter.send()

    def _start(self, names: Sequence[str]) -> None:
        for first in range(0, len(names), BATCH):
            if first and not self._still_leads():
                return
            self._starter.start_all([self._tasks[name] for name in names[first : first + BATCH]])
        if names:
            self._starter.send()


def _other_relay(task: SyncTask, before: SyncTask | None) -> bool:
    return before is not None and task.relay != before.relay


def _other_login(task: SyncTask, before: SyncTask | None) -> bool:
    return before is not None and login_fingerprint(task) != login_fingerprint(before)
