"""The whole cluster at a glance: tasks, queues, workers, registries. For metrics and status."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dregsy_queue.kinds import KINDS
from dregsy_queue.ledger.connection import Connection, answers
from dregsy_queue.ledger.holds import Held, Hold, Holds
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.levels import parse_level, transfers_at
from dregsy_queue.ledger.presence import Presence, WorkerState
from dregsy_queue.ledger.report import RunCounts, RunningJob, RunReader
from dregsy_queue.ledger.roles import Role, Roles, Scheduled
from dregsy_queue.terminal import span

#: Seconds without a look at a periodic task's source after which its lag is not known, at least; or three intervals.
UNSEEN = 3600.0
#: Images of a task that wait to be synced, up to which they are read in one piece.
FEW = 1000


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
    #: the newest run that is over
    last: RunCounts | None = None
    #: seconds between two runs; 0: it has none in store
    interval: int = 0
    #: Unix time in seconds; 0: no scheduler has one in store
    next_run: float = 0.0
    #: Unix time in seconds since when the leader's config does not have it; 0: it has
    left: float = 0.0
    hold: Hold | None = None
    #: registries of its newest run; "": not known
    source: str = ""
    target: str = ""
    #: seconds since a run that could be planned began; 0: there was none, or it is not known
    unseen: float = 0.0

    @property
    def lag_known(self) -> bool:
        """Whether `lag` is the whole truth: false where nothing was ever synced, the last look did not succeed, or it
        is long ago."""
        if self.lag:
            return True
        if self.interval and self.unseen > max(3 * self.interval, UNSEEN):
            return False
        return bool(self.last_good) and not (self.last and self.last.unplanned)

    @property
    def lag_text(self) -> str:
        """As people read it: ``12 s``, ``none``, ``unknown``."""
        return "unknown" if not self.lag_known else span(self.lag) if self.lag else "none"

    @property
    def failing(self) -> RunCounts | None:
        """The run whose failures stand: the newest, or the one before while the newest has not come to an end."""
        for run in (self.newest, self.last):
            if run and run.failed:
                return run
            if run and run.done:
                return None
        return None


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
    #: seconds of the window of `transfers`, and until the next transfer may start when it is full
    window: float = 0.0
    window_frees: float = 0.0
    #: pulls held back for others
    reserve: int = 0
    #: seconds until it is asked again what is left of its quota
    probe: float = 0.0
    #: its pause is over, and one transfer tries whether it works again
    trying: bool = False
    hold: Hold | None = None
    #: requests that all workers together have under way there at once; None: nothing stands in the way
    level: float | None = None
    #: what happens beyond it: "slower", "refuses" or "fails"; "": it did not come to that
    beyond: str = ""

    @property
    def level_text(self) -> str:
        """As people read it: ``8, slower beyond``; "" where there is none."""
        if self.level is None:
            return ""
        told = {"slower": ", slower beyond", "refuses": ", refuses beyond", "fails": ", fails beyond"}
        return f"{transfers_at(self.level)}{told.get(self.beyond, '')}"


@dataclass(frozen=True)
class Tally:
    """Outcomes since this Redis began."""

    task: str
    status: str
    reason: str
    number: int


def _unseen(now: float, newest: RunCounts | None, last: RunCounts | None) -> float:
    looked = next((run.started for run in (newest, last) if run and run.state != "planning"), now)
    return max(0.0, now - looked)


class Overview:
    """Reads only, of tasks and workers many at once."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection
        self._runs = RunReader(connection)
        self._presence = Presence(connection)
        self._roles = Roles(connection)
        self._holds = Holds(connection)

    def now(self) -> float:
        """Redis' clock, in seconds."""
        seconds, microseconds = self._redis.time()
        return seconds + microseconds / 1e6

    def tasks(self) -> list[TaskOverview]:
        """All that are known, sorted: those that ran, and those that the leader's config has."""
        now, scheduled, holds = self.now(), self._roles.scheduled(), self._holds.all()
        names = sorted({*self._redis.smembers(key("tasks")), *scheduled})
        fields = answers(self._redis, (("HGETALL", key("task", name)) for name in names))
        newest = answers(self._redis, (("LINDEX", key("task", name, "runs"), 0) for name in names))
        runs = self._runs.counts_of(sorted({run for run in (*newest, *(known.get("last") for known in fields)) if run}))
        return [
            TaskOverview(
                name=name,
                newest=runs.get(run or ""),
                waiting=waiting,
                last_good=float(known.get("last good", 0)),
                lag=max(0.0, now - since) if since else 0.0,
                last=runs.get(known.get("last", "")),
                interval=scheduled[name].interval if name in scheduled else 0,
                next_run=scheduled[name].next_run if name in scheduled else 0.0,
                left=float(known.get("left", 0)),
                hold=holds.get(("task", name)),
                source=known.get("source", ""),
                target=known.get("target", ""),
                unseen=_unseen(now, runs.get(run or ""), runs.get(known.get("last", ""))),
            )
            for name, known, run, waiting, since in zip(
                names, fields, newest, self._waiting(names), self._pending_since(names), strict=True
            )
        ]

    def _pending_since(self, names: Sequence[str]) -> list[float]:
        """Of each task: the Unix time since when the oldest change waits to be synced; 0: nothing waits."""
        numbers = answers(self._redis, (("HLEN", key("pending", name)) for name in names))
        few = [name for name, number in zip(names, numbers, strict=True) if 0 < number <= FEW]
        values = dict(zip(few, answers(self._redis, (("HVALS", key("pending", name)) for name in few)), strict=True))
        for name, number in zip(names, numbers, strict=True):
            if number > FEW:
                # In pieces: one long answer would hold Redis.
                values[name] = [value for _, value in self._redis.hscan_iter(key("pending", name), count=FEW)]
        return [min((float(value.split()[0]) for value in values.get(name, ())), default=0.0) for name in names]

    def scheduled(self) -> dict[str, Scheduled]:
        """What the leading scheduler has in store, by task."""
        return self._roles.scheduled()

    def holds(self) -> dict[tuple[Held, str], Hold]:
        """What operators paused and has not ended by itself, as ``("task", NAME)`` or ``("registry", HOST)``."""
        return self._holds.all()

    def schedulers(self) -> list[Role]:
        """Schedulers that live, and those lost of late and not replaced."""
        return self._roles.list("scheduler")

    def worker_roles(self) -> list[Role]:
        """The same of workers: what each says of its config."""
        return self._roles.list("worker")

    def states(self, tasks: Iterable[TaskOverview]) -> dict[str, int]:
        """Jobs by state, plans included; `tasks`: all there are."""
        return {
            "waiting": sum(task.waiting for task in tasks),
            "delayed": self._redis.zcard(key("delayed")),
            "admitted": sum(self._redis.zcard(key("admitted", kind)) for kind in KINDS),
            "running": sum(self._redis.scard(key("running", kind)) for kind in KINDS),
        }

    def _waiting(self, names: Sequence[str]) -> list[int]:
        """How many jobs of each task wait, plans included."""
        kinds = ("backlog", "plans", "shards")
        lists = answers(self._redis, (("LLEN", key(name, task)) for task in names for name in kinds))
        return [sum(of_task) for of_task in zip(*[iter(lists)] * len(kinds), strict=True)]

    def repairs(self) -> int:
        """Contradictions repaired since this Redis began; anything but 0 means that Redis lost something
        (it evicts keys?), or that the ledger has a fault."""
        return int(self._redis.get(key("repairs")) or 0)

    def workers(self) -> list[WorkerState]:
        """Workers whose lease stands."""
        now = self.now()
        leases = dict(self._redis.zrange(key("workers"), 0, -1, withscores=True))
        return [worker for worker in self._presence.workers() if leases.get(worker.name, 0) > now]

    def lost_workers(self) -> list[str]:
        """Workers that ended without a word within the last hour, and that none has replaced."""
        living = {worker.name for worker in self.workers()}
        return sorted(
            {worker.name for worker in self._presence.workers()} - living
            | {role.name for role in self.worker_roles() if not role.lives and role.name not in living}
        )

    def registries(self, tasks: Iterable[TaskOverview]) -> list[RegistryOverview]:
        """Those that these tasks use, and those that operators paused."""
        names = {name for task in tasks for name in (task.source, task.target)}
        now, holds = self.now(), self._holds.all()
        names |= {name for kind, name in holds if kind == "registry"}
        return [self._registry(name, now, holds.get(("registry", name))) for name in sorted(names - {""})]

    def _registry(self, name: str, now: float, hold: Hold | None) -> RegistryOverview:
        limits = self._redis.hgetall(key("limits", name))
        pause = self._redis.hgetall(key("pause", name))
        quota = self._redis.hgetall(key("quota", name))
        level, beyond = parse_level(self._redis.hgetall(key("level", name)))
        window = float(limits.get("window", 0))
        started = self._redis.zcount(key("window", name), now - window, "+inf") if window else 0
        transfers = int(limits["transfers"]) if "transfers" in limits else None
        frees = 0.0
        if transfers is not None and started >= transfers:
            first = min((at for _, at in self._redis.zscan_iter(key("window", name), count=1000)), default=now)
            frees = max(0.0, first + window - now)
        paused = max(0.0, float(pause.get("until", 0)) - now)
        return RegistryOverview(
            name=name,
            using=self._redis.scard(key("using", name)),
            max_concurrent=int(limits["max-concurrent"]) if "max-concurrent" in limits else None,
            started=started,
            transfers=transfers,
            paused=paused,
            quota_left=int(float(quota["left"])) if "left" in quota else None,
            window=window,
            window_frees=frees,
            reserve=int(limits.get("reserve", 0)),
            probe=max(0.0, float(quota.get("probe", 0)) - now),
            trying=not paused and "transfers" in pause,
            hold=hold,
            level=level,
            beyond=beyond,
        )

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

    def running_transfers(self) -> list[RunningJob]:
        """Transfers that run now, longest first."""
        return self._runs.running_transfers()

    def transferred_bytes(self) -> dict[str, int]:
        """By task: bytes that relays sent to targets, as far as they can tell."""
        return {task: int(number) for task, number in self._redis.hgetall(key("transferred bytes")).items()}

    def live_workers_of(self, host: str) -> list[str]:
        """Workers of a host whose lease stands."""
        now = self.now()
        return [
            name
            for name, ends in self._redis.zrange(key("workers"), 0, -1, withscores=True)
            if name.partition("@")[2].partition("#")[0] == host and ends > now
        ]

    def scheduler_lives(self, host: str) -> bool:
        return self._redis.get(key("scheduler", host)) is not None
