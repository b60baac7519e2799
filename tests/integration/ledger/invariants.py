"""What must be true of the ledger after every step, read from Redis alone."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast
from urllib.parse import quote, unquote

import redis

ENDED = {"copied", "up-to-date", "failed", "cancelled"}
HELD = {"admitted", "running"}
_READ = {
    "hash": lambda pipe, name: pipe.hgetall(name),
    "set": lambda pipe, name: pipe.smembers(name),
    "zset": lambda pipe, name: pipe.zrange(name, 0, -1),
    "list": lambda pipe, name: pipe.lrange(name, 0, -1),
    "string": lambda pipe, name: pipe.get(name),
}


class State:
    """All keys of the ledger, by what is behind the prefix."""

    def __init__(self, client: redis.Redis) -> None:
        names = [str(name) for name in cast(list[str], client.keys("dregsy:*"))]
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.type(name)
        types = pipe.execute()
        for name, kind in zip(names, types, strict=True):
            _READ[kind](pipe, name)
        values = pipe.execute()
        self.values: dict[str, Any] = {
            name.removeprefix("dregsy:"): value for name, value in zip(names, values, strict=True)
        }

    def get(self, name: str) -> Any:
        return self.values.get(name) or {}

    def below(self, prefix: str) -> dict[str, Any]:
        return {name.removeprefix(prefix): value for name, value in self.values.items() if name.startswith(prefix)}

    @property
    def jobs(self) -> dict[str, dict[str, str]]:
        return self.below("job:")


def check(client: redis.Redis) -> State:
    state = State(client)
    _check_waiting(state)
    _check_held(state)
    _check_counts(state)
    assert not state.get("repairs"), "the ledger had to be put right"
    return state


def _check_waiting(state: State) -> None:
    """A waiting job is in its task's list or delayed: once, and in only one of them; its task is in a lane."""
    delayed = set(state.get("delayed"))
    listed = Counter(job for kind in ("backlog:", "plans:") for jobs in state.below(kind).values() for job in jobs)
    for job, fields in state.jobs.items():
        waits = fields.get("state") == "waiting"
        places = (listed[job] if waits else 0) + (job in delayed)
        assert places == waits, f"{job} is {fields.get('state')} and in {places} places"
    on_hold = {name.partition(" ")[2] for name in state.get("holds") if name.startswith("task ")}
    for list_, field in (("backlog:", "lane"), ("plans:", "plan lane")):
        for name, jobs in state.below(list_).items():
            task, lane = unquote(name), state.get(f"task:{name}").get(field)
            if jobs and task not in on_hold:
                assert task in state.get(f"lane:{lane}"), f"task {task} is not in its lane {lane}"
                assert lane in state.get(f"ring:{lane[0]}"), f"lane {lane} is in no ring"


def _check_held(state: State) -> None:
    """Indexes, targets and places at registries are those of admitted and running jobs, and of no others."""
    by_state: dict[str, set[str]] = {"admitted": set(), "running": set()}
    targets, places, owned = {}, Counter[str](), set()
    for job, fields in state.jobs.items():
        if fields.get("state") not in HELD:
            continue
        by_state[fields["state"]].add(job)
        if fields["kind"] != "plan":
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


def _check_counts(state: State) -> None:
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
        over = fields["state"] != "planning" and not still
        assert (fields["state"] == "done") == over, f"run {run} is {fields['state']} with {still} open jobs"
        active = state.get(f"task:{quote(fields['task'])}").get("active") == run
        assert active == (not over), f"run {run} is {fields['state']} and {'' if active else 'not '}active"
