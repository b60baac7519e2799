"""When is which task due? Kept in Redis, on Redis' clock, written by the leading scheduler alone.

``beat::schedule`` is a sorted set (task → Unix time at which it is due), ``beat::tasks`` a hash (task → what it was
scheduled as).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.redis_check import examine


@dataclass(frozen=True)
class Entry:
    """A periodic task, as its config has it."""

    #: seconds between two starts
    interval: int
    #: changes when what it syncs does
    fingerprint: str
    #: changes when the login does; says nothing about a password
    login: str

    def to_text(self) -> str:
        return f"{self.interval} {self.fingerprint} {self.login}"

    @staticmethod
    def parse(text: str) -> Entry | None:
        match text.split(" "):
            case [interval, fingerprint, login] if interval.isdecimal():
                return Entry(int(interval), fingerprint, login)
        return None


def next_due(entry: Entry, before: Entry | None, due: float | None, now: float, *, at_once: bool) -> float:
    """When a task is due after the config was read, as Unix time.

    `before` and `due`: what Redis has of it. `at_once`: what is new or changed starts now. A corrected login starts
    at once, too: what failed with the old one should not wait. The result is at most one interval away.
    """
    if due is None:
        return now if at_once else now + entry.interval
    if before is not None and before.login != entry.login:
        return now
    if at_once and before is not None and before.fingerprint != entry.fingerprint:
        return now
    return min(due, now + entry.interval)


def following(due: float, interval: int, now: float) -> float:
    """When a task that was due at `due` and starts now is due again: an interval after `due`, or after now, if
    that is past."""
    return due + interval if now < due + interval <= now + interval else now + interval


class Timetable:
    """For the leading scheduler alone."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection
        self._schedule, self._tasks = key("beat", "", "schedule"), key("beat", "", "tasks")
        self._member = key("beat", "")
        self._entries: dict[str, Entry] = {}

    def now(self) -> float:
        seconds, micro = self._redis.time()
        return seconds + micro / 1e6

    def examine(self, tasks: Collection[str]) -> list[str]:
        """What is wrong with this Redis, for a config with these tasks; one line each."""
        return examine(self._redis, tasks)

    def set_up(self, entries: Mapping[str, Entry], *, at_once: bool) -> None:
        """These are all periodic tasks; others are removed from the schedule."""
        now, known, dues = self.now(), self._redis.hgetall(self._tasks), self.dues()
        wanted = {
            name: next_due(entry, Entry.parse(known.get(name, "")), dues.get(name), now, at_once=at_once)
            for name, entry in entries.items()
        }
        pipeline = self._redis.pipeline(transaction=True)
        gone = [name for name in {*dues, *known} if name not in entries]
        if gone:
            pipeline.zrem(self._schedule, *map(self._name, gone))
            pipeline.hdel(self._tasks, *gone)
            # what earlier releases kept of them
            pipeline.delete(*map(self._name, gone))
        if wanted:
            pipeline.zadd(self._schedule, {self._name(name): due for name, due in wanted.items()})
            pipeline.hset(self._tasks, mapping={name: entry.to_text() for name, entry in entries.items()})
        pipeline.execute()
        self._entries = dict(entries)

    def dues(self) -> dict[str, float]:
        """Every task and when it is due, the next one first."""
        found = self._redis.zrange(self._schedule, 0, -1, withscores=True)
        return {member.removeprefix(self._member): due for member, due in found}

    def due(self, now: float) -> dict[str, float]:
        """The tasks that are due."""
        found = self._redis.zrangebyscore(self._schedule, "-inf", now, withscores=True)
        names = {member.removeprefix(self._member): due for member, due in found}
        return {name: due for name, due in names.items() if name in self._entries}

    def started(self, dues: Mapping[str, float], now: float) -> None:
        """These were due and are started: they are due again an interval later."""
        if dues:
            self._put({name: following(due, self._entries[name].interval, now) for name, due in dues.items()})

    def put_right(self, now: float) -> None:
        """Bring back what is further away than an interval: Redis' clock was set back, or an older release wrote it."""
        far = {
            name: now + self._entries[name].interval
            for name, due in self.dues().items()
            if name in self._entries and due > now + self._entries[name].interval
        }
        if far:
            self._put(far)

    def restart(self, names: Iterable[str], now: float) -> None:
        """These begin a new interval now."""
        self._put({name: now + self._entries[name].interval for name in names if name in self._entries})

    def _put(self, dues: Mapping[str, float]) -> None:
        if dues:
            self._redis.zadd(self._schedule, {self._name(name): due for name, due in dues.items()})

    def _name(self, task: str) -> str:
        return self._member + task
