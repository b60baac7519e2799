"""The situation: everything that `dregsy status` tells, read at once, and the verdict on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dregsy_queue.ledger.causes import Cause, causes
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.overview import Overview, RegistryOverview, TaskOverview
from dregsy_queue.ledger.presence import WorkerState
from dregsy_queue.ledger.redis_check import examine, refusal
from dregsy_queue.ledger.report import RunCounts, RunningJob, RunReader
from dregsy_queue.ledger.roles import Role
from dregsy_queue.ledger.staleness import AFTER, why_stale
from dregsy_queue.ledger.waiting import Waiting, WaitingReader
from dregsy_queue.terminal import moment, span

#: Tasks that a verdict names.
NAMED = 5


@dataclass(frozen=True)
class Failure:
    """Why images of a task fail, and since when the first of them waits to be synced (Unix time; 0: not known)."""

    run: str
    cause: Cause
    since: float


@dataclass(frozen=True)
class Situation:
    now: float
    tasks: Sequence[TaskOverview]
    failures: dict[str, list[Failure]]
    running: Sequence[RunningJob]
    waiting: Sequence[Waiting]
    states: dict[str, int]
    schedulers: Sequence[Role]
    #: what workers say of their configs
    worker_roles: Sequence[Role]
    workers: Sequence[WorkerState]
    lost_workers: Sequence[str]
    registries: Sequence[RegistryOverview]
    #: what is wrong with Redis itself
    redis: Sequence[str] = ()
    #: only a mark of life of some scheduler is there, without its name and config
    scheduler_marks: bool = False
    #: seconds that a mirror may be behind at least before it is stale
    stale_after: float = AFTER

    @property
    def verdict(self) -> Verdict:
        return judge(self)

    @property
    def waiting_by_reason(self) -> list[Waiting]:
        """What waits, one entry for all tasks that wait for the same; `task` names the first of them."""
        groups: dict[str, list[Waiting]] = {}
        for found in self.waiting:
            groups.setdefault(found.why, []).append(found)
        return [
            replace(
                found[0],
                task=named(list(dict.fromkeys(waiting.task for waiting in found))),
                number=sum(waiting.number for waiting in found),
                seconds=min((each.seconds for each in found if each.seconds is not None), default=None),
            )
            for found in groups.values()
        ]

    def state_of(self, task: TaskOverview) -> str:
        """How a task stands, for people: of a run nothing of which is under way ``waiting``."""
        if task.left:
            return "left config"
        run = task.newest
        state = run.outcome if run else "never ran"
        nothing_planned = run is not None and run.state == "planning" and not run.open
        if run and not run.done and (run.state == "running" or nothing_planned) and self._only_waits(task.name):
            state = "waiting"
        return f"{state}, paused" if task.hold else state

    def next_run_of(self, task: TaskOverview) -> str:
        """When a task runs next, for people: a time, ``now``, since when it is overdue; "": a one-off task that ran."""
        if task.left or not task.next_run:
            return "none" if task.left or task.interval else "" if task.newest else "when ordered"
        left = task.next_run - self.now
        if left > 0:
            return f"in {span(left)}" if left < 120 else moment(task.next_run, self.now)
        return "now" if left > -10 else f"overdue {span(-left)}"

    def _only_waits(self, task: str) -> bool:
        if not self.workers:
            return True
        return any(found.task == task for found in self.waiting) and all(job.task != task for job in self.running)


@dataclass(frozen=True)
class Verdict:
    #: what is wrong; none: all is well
    problems: list[str] = field(default_factory=list)
    #: what is good to know
    facts: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.problems


def read(connection: Connection, stale_after: float = AFTER) -> Situation:
    """The situation as of now. Raises: RedisError."""
    overview, reader = Overview(connection), RunReader(connection)
    tasks, workers = overview.tasks(), overview.workers()
    registries = overview.registries(tasks)
    now, schedulers = overview.now(), overview.schedulers()
    by_name = {registry.name: registry for registry in registries}
    return Situation(
        now=now,
        tasks=tasks,
        failures={
            task.name: _failures(connection, reader, task.name, task.failing)
            for task in tasks
            if task.failing and not task.left
        },
        running=reader.running_transfers(),
        waiting=WaitingReader(connection).read(tasks, by_name, workers, now),
        states=overview.states(tasks),
        schedulers=schedulers,
        worker_roles=overview.worker_roles(),
        workers=workers,
        lost_workers=overview.lost_workers(),
        registries=registries,
        redis=[found for found in (refusal(connection), *examine(connection)) if found],
        scheduler_marks=not schedulers and any(True for _ in connection.scan_iter(key("scheduler", "*"), count=1000)),
        stale_after=stale_after,
    )


def _failures(connection: Connection, reader: RunReader, task: str, run: RunCounts) -> list[Failure]:
    found = []
    for cause in causes(reader.results(run.run), run.failure):
        waits = connection.hmget(key("pending", task), list(cause.targets)) if cause.targets else []
        since = [float(value.split()[0]) for value in waits if value]
        found.append(Failure(run.run, cause, min(since) if since else 0.0))
    return found


def judge(situation: Situation) -> Verdict:
    """What is wrong, the worst first, and what is good to know."""
    problems, facts = list(situation.redis), list[str]()
    for found in (_schedulers(situation), _workers(situation), _config(situation), _tasks(situation)):
        problems += found.problems
        facts += found.facts
    return Verdict(problems + _nobody_takes(situation.waiting), facts)


def in_the_way_of(task: str, situation: Situation) -> list[str]:
    """What is wrong with one task besides its own failures: it is stale, nobody lives, Redis refuses, no worker can."""
    problems = list(situation.redis)
    if not any(role.lives for role in situation.schedulers):
        problems += _schedulers(situation).problems
    if not situation.workers:
        problems += _workers(situation).problems
    problems += [f"stale: {why}" for name, why in _stale(situation) if name == task]
    return problems + _nobody_takes([waiting for waiting in situation.waiting if waiting.task == task])


def _nobody_takes(waiting: Sequence[Waiting]) -> list[str]:
    return [
        f"jobs of {found.task} wait: {found.why}"
        for found in waiting
        if found.why.startswith("no ") and found.why != "no worker lives"
    ]


def _schedulers(situation: Situation) -> Verdict:
    living = [role for role in situation.schedulers if role.lives]
    lost = [role for role in situation.schedulers if not role.lives]
    if not living:
        if situation.scheduler_marks:
            return Verdict([], ["a scheduler lives"])
        return Verdict(["no scheduler lives: nothing is started"])
    leaders = [role.name for role in living if role.leads]
    if not leaders:
        return Verdict([f"none of {len(living)} schedulers leads: nothing is started"])
    standbys = len(living) - len(leaders)
    facts = [f"{leaders[0]} leads, {standbys or 'none'} stand{'s' if standbys == 1 else ''} by"]
    return Verdict([f"scheduler {role.name} was lost" for role in lost], facts)


def _workers(situation: Situation) -> Verdict:
    if not situation.workers:
        return Verdict(["no worker lives: nothing is copied"])
    lost = [f"worker {name.partition('#')[0]} was lost" for name in situation.lost_workers]
    slots = sum(worker.slots for worker in situation.workers)
    number = len(situation.workers)
    facts = [f"{number} worker{'' if number == 1 else 's'} with {slots} slots"]
    return Verdict(lost, facts)


def _config(situation: Situation) -> Verdict:
    roles = [role for role in (*situation.schedulers, *situation.worker_roles) if role.lives]
    broken: dict[str, list[Role]] = {}
    for role in roles:
        if role.error:
            broken.setdefault(role.error, []).append(role)
    problems = [
        f"{_who(those)} cannot use the config file as it is now: {_first(error)}" for error, those in broken.items()
    ]
    clusters = sorted({role.cluster for role in roles if role.cluster})
    if len(clusters) > 1:
        problems.append(f"several clusters use this Redis under one prefix: {', '.join(clusters)}")
    hashes = {role.config for role in roles if role.config}
    if len(hashes) > 1:
        leader = next((role.config for role in roles if role.leads), "")
        behind = [role for role in roles if role.config and role.config != leader]
        work = "works" if len(behind) == 1 else "work"
        problems.append(f"{_who(behind)} {work} by another config than the leading scheduler")
    facts = ["one config everywhere"] if len(hashes) == 1 and not broken else []
    releases = sorted({role.version for role in roles if role.version})
    return Verdict(problems, facts + ([f"releases {' and '.join(releases)} at once"] if len(releases) > 1 else []))


def _first(error: str) -> str:
    """The first of a config's errors, one a line, and how many there are besides."""
    first, *others = error.splitlines() or [""]
    more = f"{len(others)} more error{'' if len(others) == 1 else 's'}"
    return f"{first} (and {more}: dregsy validate)" if others else first


def _who(roles: Sequence[Role]) -> str:
    """``worker w1@lab``; of several their number."""
    if len(roles) == 1:
        return f"{roles[0].kind} {_name(roles[0])}"
    kinds = [(sum(role.kind == kind for role in roles), kind) for kind in ("scheduler", "worker")]
    return " and ".join(f"{number} {kind}{'' if number == 1 else 's'}" for number, kind in kinds if number)


def _name(role: Role) -> str:
    """A worker is known by its node; several schedulers of a host by their processes."""
    return role.name.partition("#")[0] if role.kind == "worker" else role.name


def _tasks(situation: Situation) -> Verdict:
    tasks = [task for task in situation.tasks if not task.left]
    failing = [task.name for task in tasks if task.failing]
    held = {
        "task": sum(task.hold is not None for task in tasks),
        "registry": sum(registry.hold is not None for registry in situation.registries),
    }
    names = {"task": "tasks", "registry": "registries"}
    paused = [f"{number} {kind if number == 1 else names[kind]}" for kind, number in held.items() if number]
    facts = [f"{' and '.join(paused)} paused"] if paused else []
    problems = [f"{len(failing)} of {len(tasks)} tasks fail: {named(failing)}"] if failing else []
    if stale := [f"{name} ({why})" for name, why in _stale(situation)]:
        problems.append(
            f"{len(stale)} of {len(tasks)} tasks {'is' if len(stale) == 1 else 'are'} stale: {named(stale)}"
        )
    if not tasks:
        return Verdict(problems, ["no task is known", *facts])
    if not failing:
        unknown = sum(not (task.last or (task.newest and task.newest.done)) for task in tasks)
        so_far = f", {unknown} {'has' if unknown == 1 else 'have'} not ended a run" if unknown else ""
        facts.insert(0, f"{len(tasks)} task{'' if len(tasks) == 1 else 's'}, none fails{so_far}")
    if empty := [task.name for task in tasks if task.newest and task.newest.empty]:
        facts.append(f"{len(empty)} task{' selects' if len(empty) == 1 else 's select'} no image: {named(empty)}")
    return Verdict(problems, facts)


def named(names: Sequence[str]) -> str:
    """The first of these names; there may be thousands."""
    more = f", and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _stale(situation: Situation) -> list[tuple[str, str]]:
    """Tasks that are stale, and why. One that fails is told for that, one that an operator paused not at all."""
    judged = (task for task in situation.tasks if not (task.left or task.hold or task.failing))
    found = [(task.name, why_stale(task, situation.now, situation.stale_after)) for task in judged]
    return [(name, why) for name, why in found if why]
