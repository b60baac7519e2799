"""Is everything right at the end? Every digest, every count, and nothing left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from dregsy_queue.ledger.admission import Admission
from dregsy_queue.ledger.report import RunCounts, RunReader
from tests.lab.processes import processes_with, wait_until
from tests.soak.world import PERIODIC, TASKS, World

#: Seconds for all that is open when the faults are over.
REST = 180


def finish(world: World) -> Iterator[str]:
    """Wait for a run of each task that saw the last change; what is wrong then."""
    reader, since = RunReader(world.connection), float(world.connection.time()[0])

    def ended(name: str) -> RunCounts | None:
        newest = reader.newest(name)
        fits = newest and newest.done and (newest.started > since or name not in PERIODIC)
        return newest if fits else None

    try:
        wait_until(lambda: all(ended(name) for name in TASKS), REST, "the last runs")
    except TimeoutError:
        for name in TASKS:
            if not ended(name):
                yield f"stuck: task {name} is at {reader.newest(name)}"
    for name, (_, repositories) in TASKS.items():
        found, expected = ended(name), len(repositories) * len(world.tags)
        if found and (found.copied + found.up_to_date, found.failed, found.cancelled) != (expected, 0, 0):
            yield f"task {name}: {found}, and not {expected} copied or up to date"


def registries(world: World) -> Iterator[str]:
    """Every digest."""

    def differing(repository: str) -> list[str]:
        there = sorted(world.target.tags(repository), key=int)
        if there != world.tags:
            return [f"lost: {repository} has {len(there)} tags at the target, {len(world.tags)} at the source"]
        return [
            f"lost: {repository}:{tag} differs"
            for tag in there
            if world.source.digest(repository, tag) != world.target.digest(repository, tag)
        ]

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(differing, world.repositories):
            yield from found


def ledger(world: World) -> Iterator[str]:
    """Every count of every run that is remembered, and what is left in Redis. All workers have ended."""
    reader = RunReader(world.connection)
    for name in TASKS:
        for run in reader.runs(name):
            targets, states = Counter[str](), Counter[str]()
            for result in reader.results(run.run):
                targets[result.target] += 1
                states[result.status] += 1
            doubled = [target for target, number in targets.items() if number > 1]
            counted = {"copied": run.copied, "up-to-date": run.up_to_date, "failed": run.failed}
            if doubled:
                yield f"doubled: {doubled[0]} and {len(doubled) - 1} more in run {run.run}"
            if not run.done or run.open:
                yield f"stuck: {run}"
            if any(states[state] != number for state, number in counted.items()):
                yield f"counts: run {run.run} says {counted} and has {dict(states)}"
            expected = len(TASKS[name][1]) * len(world.tags)
            if run.outcome == "done" and run.total != expected:
                yield f"lost: {run} ended well without {expected - run.total} of its images"
            if run.failed:
                yield f"failed: {run}: {[r.error for r in reader.results(run.run) if r.status == 'failed'][:2]}"
    # A worker that was killed last has nobody left to notice: the next one that starts does.
    wait_until(lambda: not _alive(world), 40, "the end of all leases")
    for kind in ("running:*", "admitted:*", "backlog:*", "plans:*", "delayed", "targets", "using:*", "suspects"):
        for key in world.connection.scan_iter(f"dregsy:{kind}", count=1000):
            yield f"left in Redis: {key}"


def roles(world: World) -> Iterator[str]:
    """No role has said anything unexpected."""
    for role in world.started:
        text = role.log.read_text(errors="replace")
        for sign in ("Traceback", "unexpected error"):
            for line in [line for line in text.splitlines() if sign in line][:2]:
                yield f"{role.log.stem} said: {line[:3000]}"
    for line in processes_with(str(world.folder / "dregsy.yaml")):
        yield f"process left: {line}"


def _alive(world: World) -> int:
    Admission(world.connection).reap()
    return world.connection.zcard("dregsy:workers")
