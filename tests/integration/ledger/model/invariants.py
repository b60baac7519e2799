"""What must be true of the ledger after every step, read from Redis alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import quote, unquote

from .redis_side import parse

ENDED = {"copied", "up-to-date", "failed", "cancelled"}
HELD = {"admitted", "running"}


class State:
    """All keys of the ledger, by what is behind the prefix."""

    def __init__(self, look: str) -> None:
        self.values = parse(look)

    def get(self, name: str) -> Any:
        return self.values.get(name) or {}

    def below(self, prefix: str) -> dict[str, Any]:
        return {name.removeprefix(prefix): value for name, value in self.values.items() if name.startswith(prefix)}

    @property
    def jobs(self) -> dict[str, dict[str, str]]:
        return self.below("job:")

    @property
    def active(self) -> list[str]:
        """Runs that have not ended, as tasks know it."""
        return [f["active"] for name, f in self.below("task:").items() if ":" not in name and "active" in f]


class History:
    """What ended stays so, until an operator or a restored Redis says otherwise; and it ended as somebody said."""

    def __init__(self, said: Mapping[str, AbstractSet[str]], shared: dict[str, set[str]]) -> None:
        """`shared`: run → targets of images that shards have, or had."""
        self._said, self._shared = said, shared
        self._ended: dict[str, str] = {}

    def forget(self) -> None:
        self._ended = {}
        self._shared.clear()

    def follow(self, state: State) -> None:
        now = {job: fields["state"] for job, fields in state.jobs.items() if fields.get("state") in ENDED}
        for job, ended in self._ended.items():
            assert job not in state.jobs or now.get(job) == ended, f"{job} had ended as {ended} and is {now.get(job)}"
        for job, ended in now.items():
            assert ended != "copied" or "copied" in self._said[job], f"{job} was copied by nobody"
        for run, targets in self._shared.items():
            fields = state.get(f"run:{run}")
            if fields.get("state") in ("running", "done") and not {"cancelled", "failure"} & set(fields):
                known = [*state.get(f"run:{run}:jobs").values(), *state.get(f"run:{run}:planned").values()]
                left = targets - {json.loads(image)["target"] for image in known}
                assert not left, f"run {run} counts as planned, and nobody planned {left}"
        self._ended = {job: ended for job, ended in now.items() if not job.endswith(":plan")}


def check(state: State) -> None:
    check_waiting(state)
    check_held(state)
    check_counts(state)
    assert not state.get("repairs"), "the ledger had to be put right"


def check_over(state: State) -> None:
    """All runs are over: nothing is held by anybody, and nothing is left of what was forgotten."""
    left = [name for name in state.values if name.startswith(("using:", "running:", "admitted:", "targets", "delay"))]
    assert not left, f"something is held by nobody: {left}"
    runs = {run for name, listed in state.below("task:").items() if name.endswith(":runs") for run in listed}
    kept = {name.partition(":")[0] for kind in ("run:", "job:") for name in state.below(kind)}
    assert kept <= runs, f"something is left of runs that were forgotten: {kept - runs}"
    unswept = [name for name in state.below("run:") if name.endswith((":targets", ":retry", ":shards"))]
    assert not unswept, f"nobody swept up: {unswept}"


def check_waiting(state: State) -> None:
    """A waiting job is in its task's list or delayed: once, and in only one of them; its task is in a lane."""
    delayed = set(state.get("delayed"))
    listed = Counter(
        job for kind in ("backlog:", "plans:", "shards:") for jobs in state.below(kind).values() for job in jobs
    )
    for job, fields in state.jobs.items():
        waits = fields.get("state") == "waiting"
        places = (listed[job] if waits else 0) + (job in delayed)
        assert places == waits, f"{job} is {fields.get('state')} and in {places} places"
    on_hold = {name.partition(" ")[2] for name in state.get("holds") if name.startswith("task ")}
    for list_, field in (("backlog:", "lane"), ("plans:", "plan lane"), ("shards:", "shard lane")):
        for name, jobs in state.below(list_).items():
            task, lane = unquote(name), state.get(f"task:{name}").get(field)
            if jobs and task not in on_hold:
                assert task in state.get(f"lane:{lane}"), f"task {task} is not in its lane {lane}"
                assert lane in state.get(f"ring:{lane[0]}"), f"lane {lane} is in no ring"


def check_held(state: State) -> None:
    """Indexes, targets and places at registries are those of admitted and running jobs, and of no others."""
    by_state: dict[str, set[str]] = {"admitted": set(), "running": set()}
    targets, places, owned = {}, Counter[str](), set()
    for job, fields in state.jobs.items():
        if fields.get("state") not in HELD:
            continue
        by_state[fields["state"]].add(job)
        if fields["kind"] not in ("plan", "shard"):
            targets[fields["target"]] = job
            for registry in fields["registries"].split():
                places[registry] += 1
        if fields["state"] == "running":
            owned.add((fields["owner"], job))
    for name, jobs in by_state.items():
        listed = [job for members in state.below(f"{name}:").values() for job in members]
        assert sorted(listed) == sorted(jobs), f"{name} jobs are {jobs}, the index has {listed}"
    assert state.get("targets") == targets, "targets are not those of the jobs that are held"
    using = {name: len(jobs) for name, jobs in state.below("using:").items() if jobs}
    assert using == dict(places), f"places at registries: {using} instead of {places}"
    listed_owned = {
        (name.removesuffix(":running"), job)
        for name, jobs in state.below("worker:").items()
        if name.endswith(":running")
        for job in jobs
    }
    assert listed_owned == owned, f"workers hold {listed_owned} instead of {owned}"
    assert set(state.get("suspects")) <= by_state["admitted"] | by_state["running"]
    for registry, limits in state.below("limits:").items():
        most = limits.get("max-concurrent")
        assert most is None or places[registry] <= int(most), f"{places[registry]} jobs at {registry}"


def check_counts(state: State) -> None:
    """A run's numbers are those of its jobs, and it is over exactly with the last of them."""
    for run, fields in state.below("run:").items():
        if ":" in run:
            continue
        jobs = state.get(f"run:{run}:jobs")
        states = Counter(state.get(f"job:{job}").get("state") for job in jobs)
        for name in ENDED:
            assert int(fields.get(f"jobs.{name}", 0)) == states[name], f"run {run} counts {name} wrong"
        still = sum(number for name, number in states.items() if name not in ENDED)
        assert int(fields["open"]) == still, f"run {run} has {still} open jobs and counts {fields['open']}"
        planned = Counter(
            "failed" if '"failed"' in outcome else "up-to-date" for outcome in state.get(f"run:{run}:planned").values()
        )
        planned["failed"] += "failure" in fields
        for name in ("failed", "up-to-date"):
            assert int(fields.get(f"planned.{name}", 0)) == planned[name], f"run {run} counts planned {name} wrong"
        if fields["state"] != "planning" and not {"failure", "cancelled"} & set(fields):
            known = [*jobs.values(), *state.get(f"run:{run}:planned").values()]
            there = len({json.loads(image)["target"] for image in known})
            assert there >= int(fields.get("found", 0)), (
                f"run {run} is planned with {there} of {fields['found']} targets"
            )
        over = fields["state"] != "planning" and not still
        shards = set(state.get(f"run:{run}:shards"))
        assert not shards - set(state.jobs), f"run {run} has shards that are no jobs: {shards - set(state.jobs)}"
        assert (fields["state"] == "done") == over, f"run {run} is {fields['state']} with {still} open jobs"
        active = state.get(f"task:{quote(fields['task'])}").get("active") == run
        assert active == (not over), f"run {run} is {fields['state']} and {'' if active else 'not '}active"
