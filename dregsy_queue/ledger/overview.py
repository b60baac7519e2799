"""The whole cluster at a glance: tasks, queues, workers, registries. For metrics and status."""

from __future__ import annotations

import json
from dataclasses import dataclass

from dregsy_queue.kinds import KINDS
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.presence import Presence, WorkerState
from dregsy_queue.ledger.report import RunCounts, RunReader


@dataclass(frozen=True)
class TaskOverview:
    name: str
    #: active or done; None when none is remembered
    newest: RunCounts | None
    waiting: int
    #: Unix time in seconds of the end of the last run without failures; 0: there was none
    last_good: float
    #: seconds that the oldest change has been waiting to be synced; 0: nothing waits
    lag: float


@dataclass(frozen=True)
class RegistryOverview:
    name: str
    using: int
    max_concurrent: int | None
    #: transfers in the current window, and how many it may hold
    started: int
    transfers: int | None
    #: seconds left; 0: not paused
    paused: float
    #: pulls left by the registry's own word; None: it did not say
    quota_left: int | None


@dataclass(frozen=True)
class Tally:
    """Outcomes since this Redis began."""

    task: str
    status: str
    reason: str
    number: int


class Overview:
    """Reads only; a few calls per task, worker and registry."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection
        self._runs = RunReader(connection)
        self._presence = Presence(connection)

    def now(self) -> float:
        """Redis' clock, in seconds."""
        seconds, microseconds = self._redis.time()
        return seconds + microseconds / 1e6

    def tasks(self) -> list[TaskOverview]:
        now = self.now()
        found = []
        for name in sorted(self._redis.smembers(key("tasks"))):
            since = [float(value.split()[0]) for value in self._redis.hgetall(key("pending", name)).values()]
            found.append(
                TaskOverview(
                    name=name,
                    newest=self._runs.newest(name),
                    waiting=self._redis.llen(key("backlog", name)),
                    last_good=float(self._redis.hget(key("task", name), "last good") or 0),
                    lag=max(0.0, now - min(since)) if since else 0.0,
                )
            )
        return found

    def states(self) -> dict[str, int]:
        """Jobs by state, plans included."""
        return {
            "waiting": sum(self._redis.llen(key("backlog", name)) for name in self._redis.smembers(key("tasks"))),
            "delayed": self._redis.zcard(key("delayed")),
            "admitted": sum(self._redis.zcard(key("admitted", kind)) for kind in KINDS),
            "running": sum(self._redis.scard(key("running", kind)) for kind in KINDS),
        }

    def workers(self) -> list[WorkerState]:
        return self._presence.workers()

    def registries(self) -> list[RegistryOverview]:
        names = {
            self._redis.hget(key("task", task), side) or ""
            for task in self._redis.smembers(key("tasks"))
            for side in ("source", "target")
        }
        now = self.now()
        found = []
        for name in sorted(names - {""}):
            limits = self._redis.hgetall(key("limits", name))
            ends = self._redis.hget(key("pause", name), "until")
            left = self._redis.hget(key("quota", name), "left")
            window = float(limits.get("window", 0))
            found.append(
                RegistryOverview(
                    name=name,
                    using=self._redis.scard(key("using", name)),
                    max_concurrent=int(limits["max-concurrent"]) if "max-concurrent" in limits else None,
                    started=self._redis.zcount(key("window", name), now - window, "+inf") if window else 0,
                    transfers=int(limits["transfers"]) if "transfers" in limits else None,
                    paused=max(0.0, float(ends) - now) if ends else 0.0,
                    quota_left=int(left) if left is not None else None,
                )
            )
        return found

    def tallies(self) -> list[Tally]:
        found = []
        for name, number in self._redis.hgetall(key("tally")).items():
            task, status, reason = json.loads(name)
            found.append(Tally(task, status, reason, int(number)))
        return found

    def transfers(self) -> dict[str, tuple[int, float]]:
        """By task: how many transfers have ended, and the seconds they took together."""
        numbers, seconds = self._redis.hgetall(key("transfers")), self._redis.hgetall(key("transfer seconds"))
        return {task: (int(number), float(seconds.get(task, 0))) for task, number in numbers.items()}

    def transferred_bytes(self) -> dict[str, int]:
        """By task: bytes that relays sent to targets, as far as they can tell."""
        return {task: int(number) for task, number in self._redis.hgetall(key("transferred bytes")).items()}

    def live_workers_of(self, host: str) -> list[str]:
        """Workers of a host whose lease stands."""
        now = self.now()
        return [
            name
            for name in self._redis.zrange(key("workers"), 0, -1)
            if name.partition("@")[2].partition("#")[0] == host
            and (self._redis.zscore(key("workers"), name) or 0) > now
        ]

    def scheduler_lives(self, host: str) -> bool:
        return self._redis.get(key("scheduler", host)) is not None
