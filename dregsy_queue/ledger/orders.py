"""Orders of an operator: run, retry, cancel, pause, resume, forget. Each is atomic, and safe to give twice."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.ledger.admission import Admission
from dregsy_queue.ledger.connection import Connection, answers
from dregsy_queue.ledger.holds import Held
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.report import RunReader
from dregsy_queue.ledger.scripts import Scripts

#: Seconds for which an order to start a run belongs to the role that took it, and for which its run is remembered.
TAKEN, REMEMBERED = 30, 3600
#: Failed images that a retry names one by one; where more could not be planned, all are looked at again.
MOST_NAMED = 5000
#: Stands for all sources of a task.
EVERYTHING = "*"
#: Seconds after which a task that left the config is forgotten.
FORGOTTEN_AFTER = 86400.0
#: Seconds after which what waits of such a task is cancelled: longer than files of roles differ in an update.
CANCELLED_AFTER = 60.0
#: Longest that forgetting waits for the cancelled run of the task to end, in seconds.
ENDS_WITHIN = 30.0
BY_OPERATOR = "cancelled by an operator"
LEFT_CONFIG = "its task is not in the config any more"


@dataclass(frozen=True)
class Retried:
    run: str
    #: transfers that wait again
    jobs: int
    #: what could not be planned is planned once more
    planning: bool
    #: another run of the task is active, which looks at everything anyway; "" when there is none
    active: str = ""


class Orders:
    def __init__(self, connection: Connection, clock: Clock = SYSTEM) -> None:
        self._redis, self._clock = connection, clock
        self._scripts = Scripts(connection)
        self._reader = RunReader(connection)

    def run(self, task: str) -> str:
        """Order a run of `task`, by whichever role knows it; returns the id of the order."""
        return str(self._scripts.run("order_run", task, secrets.token_hex(8)))

    def withdraw(self, task: str) -> None:
        """Nobody shall start what was ordered for `task`."""
        self._redis.hdel(key("orders"), task)

    def ordered(self) -> list[str]:
        """Tasks that wait for somebody to start them."""
        return sorted(self._redis.hgetall(key("orders")))

    def take(self, task: str, least_age: float = 0.0) -> str | None:
        """Take the order for a run of `task`, if it is `least_age` seconds old; the caller starts the run."""
        order = self._scripts.run("take_order", task, TAKEN, least_age)
        return str(order) if order else None

    def carried_out(self, task: str, order: str, run: str) -> None:
        """`run` is what came of `order`."""
        self._scripts.run("carry_out", task, order, run, REMEMBERED)

    def outcome(self, order: str) -> str | None:
        """The run that came of an order; None while nobody has started it."""
        return self._redis.get(key("order", order))

    def cancel(self, run: str, why: str = BY_OPERATOR) -> bool:
        """End a run early, running transfers too; False when it is over already, or is not known."""
        done = bool(self._scripts.run("cancel", run, why, 1))
        if done:
            self._tell(f"run {run} is cancelled: {why}")
        return done

    def retry(self, run: str) -> Retried | None:
        """Do again what failed in `run`, and nothing else; None when there is no such run."""
        unplanned = self._name_unplanned(run)
        cursor, again = "0", 0
        while True:
            cursor, some, active = self._scripts.run("retry", run, cursor)
            if not cursor or active:
                return Retried(run, 0, False, active) if active else None
            again += int(some)
            if cursor == "0":
                break
        planning = unplanned and bool(self._scripts.run("replan", run))
        if again or planning:
            self._tell(f"run {run}: an operator retries what failed, {again} transfers")
        return Retried(run, again, planning)

    def _name_unplanned(self, run: str) -> bool:
        """Note which images could not be planned, so that a retry plans them alone; whether there are any."""
        counts = self._reader.counts(run)
        if counts is None or counts.state == "planning" or not counts.unplanned:
            return False
        names = [
            result.source
            for result in self._reader.results(run)
            if result.status == "failed" and not result.attempts and result.reason == "planning"
        ]
        if counts.failure or len(names) > MOST_NAMED:
            names = [EVERYTHING]
        if not names:
            return False
        for start in range(0, len(names), 500):
            self._redis.sadd(key("run", run, "retry"), *names[start : start + 500])
        return True

    def retried(self, run: str) -> Retry | None:
        """What a plan of `run` is about; None: it is not a retry, and covers everything."""
        names = self._redis.smembers(key("run", run, "retry"))
        return Retry(frozenset(names)) if names else None

    def hold(self, kind: Held, name: str, seconds: float, reason: str) -> None:
        """Let nothing of a task, or to and from a registry, start for `seconds` (0: until it is released)."""
        self._scripts.run("hold", kind, name, seconds, reason)
        self._tell(f"{kind} {name} is paused by an operator" + (f": {reason}" if reason else ""))

    def release(self, kind: Held, name: str) -> bool:
        """Take back a hold, and a registry's pause; False when there was neither."""
        done = bool(self._scripts.run("release", kind, name))
        if done:
            self._tell(f"{kind} {name} is resumed by an operator")
        return done

    def forget(self, task: str) -> bool:
        """Forget everything about `task`; a run that is active is cancelled first. False: it does not end in time."""
        deadline, admission = self._clock.monotonic() + ENDS_WITHIN, Admission(self._redis)
        cancelled: set[str] = set()
        while not self._scripts.run("forget_task", task):
            if self._clock.monotonic() > deadline:
                return False
            active = self._redis.hget(key("task", task), "active")
            if active and active not in cancelled:
                # Once: cancelling again begins at the first job again.
                cancelled.add(active)
                self.cancel(active, "the task is forgotten")
            # Long cancelling goes on in slices; there may be no worker to do them.
            admission.reap()
            self._clock.pause(0.05)
        self._tell(f"task {task} is forgotten")
        return True

    def forget_left(self, now: float) -> list[str]:
        """Forget tasks that left the config a day before `now` (Redis' clock); returns their names."""
        found = []
        for task in self._redis.smembers(key("tasks")):
            left = float(self._redis.hget(key("task", task), "left") or 0)
            if left and now - left > FORGOTTEN_AFTER and self.forget(task):
                found.append(task)
        return sorted(found)

    def cancel_left(self, known: Collection[str]) -> list[tuple[str, str]]:
        """What waits of tasks that are none of `known`, and left the config a minute ago, ends as cancelled: it may
        wait for a relay that no worker has any more. Returns these tasks, and their runs."""
        gone = sorted(set(self._redis.smembers(key("tasks"))).difference(known))
        found = answers(self._redis, (("HMGET", key("task", task), "left", "active") for task in gone))
        before = self._redis.time()[0] - CANCELLED_AFTER
        runs = [
            (task, run) for task, (left, run) in zip(gone, found, strict=True) if run and left and float(left) < before
        ]
        ending = answers(self._redis, (("HGET", key("run", run), "cancelled") for _, run in runs))
        return [
            (task, run)
            for (task, run), why in zip(runs, ending, strict=True)
            if why is None and self._scripts.run("cancel", run, LEFT_CONFIG, 0)
        ]

    def forget_old_runs(self, before: float) -> list[str]:
        """Forget runs that ended before this moment of Redis' clock, but for each task's last; returns their ids."""
        found: list[str] = []
        for task in sorted(self._redis.smembers(key("tasks"))):
            found += self._scripts.run("forget_runs", task, before)
        return found

    def _tell(self, text: str) -> None:
        """Leave a line for the log of whichever role looks next; the last hundred are kept."""
        self._redis.rpush(key("order log"), text)
        self._redis.ltrim(key("order log"), -100, -1)

    def told(self) -> list[str]:
        """What was ordered, each told to one caller only."""
        return list(self._redis.lpop(key("order log"), 100) or [])

    def ended_runs(self) -> list[str]:
        """Runs that have ended, each told to one caller only."""
        return list(self._redis.lpop(key("ended"), 100) or [])


@dataclass(frozen=True)
class Retry:
    """Names of sources that could not be planned: images, repositories, expressions, or `EVERYTHING`."""

    sources: frozenset[str]

    def covers(self, source: str) -> bool:
        """Whether this image is one of them. What could not be listed at all covers everything."""
        if source in self.sources:
            return True
        return any(_is_wider(name) or source.startswith((f"{name}:", f"{name}@")) for name in self.sources)


def _is_wider(name: str) -> bool:
    """More than one repository: all of them, an expression, or a task by its name (of the release before)."""
    return name == EVERYTHING or "/" not in name or "regex:" in name


def names_of(connection: Connection, tasks: Iterable[str]) -> list[str]:
    """Tasks that the cluster knows: of the leader's config, and of the ledger."""
    text = connection.get(key("scheduled"))
    return sorted({*tasks, *connection.smembers(key("tasks")), *(json.loads(text) if text else {})})
