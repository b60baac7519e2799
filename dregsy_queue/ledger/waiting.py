"""Why does this wait? The first reason why *admit* does not start the jobs of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dregsy_queue.kinds import PLANNING
from dregsy_queue.ledger.causes import generalised
from dregsy_queue.ledger.connection import Connection, answers
from dregsy_queue.ledger.holds import Hold
from dregsy_queue.ledger.jobs import JobResult, ShownJob, run_of
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.levels import transfers_at
from dregsy_queue.ledger.overview import RegistryOverview, TaskOverview
from dregsy_queue.ledger.plan_waits import PlanWaits
from dregsy_queue.ledger.presence import WorkerState

#: Delayed jobs looked at; more are counted with the others.
MOST = 200


@dataclass(frozen=True)
class Waiting:
    task: str
    number: int
    why: str
    #: seconds until it goes on by itself, as far as that is known
    seconds: float | None = None
    #: the registry that planning waits for; "" when it is none
    host: str = ""
    #: it is planning that waits; `number` counts plans and parts of them, not images
    planning: bool = False


@dataclass(frozen=True)
class WaitReason:
    why: str
    seconds: float | None = None


def reason(
    kind: str,
    task: TaskOverview,
    registries: Sequence[RegistryOverview],
    workers: Sequence[WorkerState],
) -> WaitReason:
    """Why the next job of `task`, which is of `kind`, waits; `registries` are its source and target."""
    if task.hold:
        return _held("the task", task.hold)
    takers = [worker for worker in workers if kind in worker.kinds and not worker.draining]
    if not takers:
        if kind == "plan" or not workers:
            return WaitReason("no worker lives")
        return WaitReason("no worker of this release lives" if kind == "shard" else f"no worker has {kind}")
    for index, registry in enumerate(registries):
        found = _closed(registry) or (None if kind in PLANNING else _full(registry, is_source=index == 0))
        if found:
            return found
    slots = sum(worker.slots for worker in takers)
    if sum(worker.running for worker in takers) >= slots:
        return WaitReason(f"all {slots} slots of workers are taken")
    if kind == "shard":
        return WaitReason("as many parts of large plans as workers take at once are being planned")
    return WaitReason("it is about to start" if kind != "plan" else "planning is about to start")


def _held(what: str, hold: Hold) -> WaitReason:
    return WaitReason(f"{what} is paused by an operator" + (f": {hold.reason}" if hold.reason else ""))


def _closed(registry: RegistryOverview) -> WaitReason | None:
    if registry.hold:
        return _held(registry.name, registry.hold)
    if registry.paused:
        return WaitReason(f"{registry.name} refuses requests and is paused", registry.paused)
    return None


def _full(registry: RegistryOverview, *, is_source: bool) -> WaitReason | None:
    name = registry.name
    if registry.trying and registry.using:
        return WaitReason(f"{name} was paused, and one transfer tries whether it works again")
    if registry.max_concurrent is not None and registry.using >= registry.max_concurrent:
        return WaitReason(f"{name} has its {registry.max_concurrent} of max-concurrent")
    if registry.level is not None and registry.using >= transfers_at(registry.level):
        return WaitReason(f"{name} has its level of {registry.level_text}")
    if registry.transfers is not None and registry.started >= registry.transfers:
        return WaitReason(f"{name} has its {registry.transfers} transfers of this window", registry.window_frees)
    if is_source and registry.quota_left is not None and registry.quota_left <= registry.reserve:
        left = "no pulls left" if registry.quota_left <= 0 else f"{registry.quota_left} pulls left, in reserve"
        return WaitReason(f"{name} has {left}; it is asked again", registry.probe)
    return None


class WaitingReader:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection

    def read(
        self,
        tasks: Sequence[TaskOverview],
        registries: Mapping[str, RegistryOverview],
        workers: Sequence[WorkerState],
        now: float,
    ) -> list[Waiting]:
        """What waits, task by task; then what failed for a passing reason and is tried again."""
        lists = [(task, name) for task in tasks if task.waiting for name in ("plans", "shards", "backlog")]
        firsts = answers(self._redis, (("LINDEX", key(name, task.name), 0) for task, name in lists))
        kinds = answers(self._redis, (("HGET", key("job", job or ""), "kind") for job in firsts))
        numbers = answers(self._redis, (("LLEN", key(name, task.name)) for task, name in lists))
        found = []
        for (task, _), kind, number in zip(lists, kinds, numbers, strict=True):
            # A job without a kind ended between two of these calls.
            if number and kind:
                hosts = dict.fromkeys((task.source, task.target))
                because = reason(kind, task, [registries[host] for host in hosts if host in registries], workers)
                found.append(Waiting(task.name, number, because.why, because.seconds, planning=kind in PLANNING))
        return found + self._planning() + self._delayed(now)

    def _planning(self) -> list[Waiting]:
        return [
            Waiting(
                task,
                wait.number,
                f"{_cause(wait.error)}; attempt {wait.attempt} of {wait.most}",
                wait.seconds,
                _host(wait.error),
                planning=True,
            )
            for task, wait in PlanWaits(self._redis).all().items()
        ]

    def _delayed(self, now: float) -> list[Waiting]:
        groups: dict[tuple[str, str, bool], list[float]] = {}
        delayed = self._redis.zrange(key("delayed"), 0, MOST - 1, withscores=True)
        fields = answers(self._redis, (("HMGET", key("job", job), "task", "error", "attempts") for job, _ in delayed))
        specs = answers(self._redis, (("HGET", key("run", run_of(job), "jobs"), job) for job, _ in delayed))
        shared = answers(self._redis, (("HGET", key("run", run_of(job)), "listed") for job, _ in delayed))
        for (job, at), (task, error, attempts), spec, listed in zip(delayed, fields, specs, shared, strict=True):
            if task is None or (listed and job == f"{run_of(job)}:plan"):
                # It waits for its shards, which are told of.
                continue
            why = "another job writes its target" if spec else "planning is tried again"
            if error:
                image = ShownJob.parse(spec) if spec else None
                text = _cause(error, *((image.source, image.target) if image else ()))
                why = f"{text}; attempt {int(attempts or 0) + 1}"
            groups.setdefault((task, why, not spec), []).append(at - now)
        return [
            Waiting(task, len(waits), why, max(0.0, min(waits)), planning=planning)
            for (task, why, planning), waits in groups.items()
        ]


def _cause(error: str, source: str = "", target: str = "") -> str:
    return generalised(JobResult(source, target, "failed", "", "", 0, 0.0, error))


def _host(error: str) -> str:
    """Registries' errors begin with the registry."""
    return error.partition(": ")[0] if ": " in error else ""
