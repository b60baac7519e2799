"""The verdict of `dregsy status`: what is wrong, in words that say what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from dregsy_queue.ledger.advice import waiting_advice
from dregsy_queue.ledger.holds import Hold
from dregsy_queue.ledger.overview import RegistryOverview, TaskOverview
from dregsy_queue.ledger.presence import WorkerState
from dregsy_queue.ledger.report import RunCounts, RunningJob
from dregsy_queue.ledger.roles import Kind, Role, replaced
from dregsy_queue.ledger.situation import Situation, Verdict, in_the_way_of, judge
from dregsy_queue.ledger.staleness import AFTER
from dregsy_queue.ledger.waiting import Waiting
from tests.lab.processes import ROOT


def role(kind: Kind, name: str, *, config: str = "a1", error: str = "", cluster: str = "") -> Role:
    return Role(kind, name, kind == "scheduler", config, error, "1", 0.0, 1.0, cluster)


def make(*roles: Role, **more: Any) -> Situation:
    there: dict[str, Any] = {"now": 0.0, "failures": {}, "running": [], "waiting": [], "states": {}, "tasks": []}
    there |= {"lost_workers": [], "registries": [], "workers": [WorkerState("w@a", 4, 0, ("plan",), False)]}
    there["schedulers"] = [found for found in roles if found.kind == "scheduler"]
    there["worker_roles"] = [found for found in roles if found.kind == "worker"]
    return Situation(**{**there, **more})


def verdict(*roles: Role, **more: Any) -> Verdict:
    return judge(make(*roles, **more))


def test_all_is_well() -> None:
    found = verdict(role("scheduler", "s#1"), role("worker", "w@a#1"))
    assert found.good and "one config everywhere" in found.facts


def test_of_many_config_errors_the_first_is_told() -> None:
    broken = role("scheduler", "s#1", error="c.yaml:3: one\nc.yaml:4: two\nc.yaml:5: three")
    (problem,) = verdict(broken).problems
    assert problem.endswith("as it is now: c.yaml:3: one (and 2 more errors: dregsy validate)")


def test_two_clusters_under_one_prefix() -> None:
    first = verdict(role("scheduler", "s#1", cluster="one"), role("worker", "w@a#1", cluster="two")).problems
    assert first == ["several clusters use this Redis under one prefix: one, two"]
    assert verdict(role("scheduler", "s#1", cluster="one"), role("worker", "w@a#1", cluster="one")).good


def test_two_releases_at_once_are_told() -> None:
    found = verdict(role("scheduler", "s#1"), replace(role("worker", "w@a#1"), version="2"))
    assert found.good and "releases 1 and 2 at once" in found.facts
    assert not [fact for fact in verdict(role("scheduler", "s#1"), role("worker", "w@a#1")).facts if "release" in fact]


def test_who_works_by_another_config() -> None:
    leader, other = role("scheduler", "s#1"), role("worker", "w@a#1", config="b2")
    assert verdict(leader, other).problems == ["worker w@a works by another config than the leading scheduler"]
    (told,) = verdict(leader, other, role("worker", "w@b#1", config="b2")).problems
    assert told == "2 workers work by another config than the leading scheduler"


def test_who_was_lost_and_who_took_the_place() -> None:
    """Names of those that were replaced, 100 s after the first began."""

    def alive(name: str, since: float, age: float) -> Role:
        return Role("worker", name, False, "a1", "", "1", since, age)

    def names(*roles: Role) -> list[str]:
        return [found.name for found in replaced(roles, 100.0)]

    frozen = alive("w1", since=2, age=97)
    assert names(frozen, alive("w2", since=4, age=1)) == [], "it began with it, and still lives"
    assert names(frozen, alive("w3", since=14, age=1)) == ["w1"]
    assert names(alive("w1", since=2, age=50), alive("w2", since=40, age=1)) == [], "it was there before"
    assert names(alive("w1", since=2, age=50), alive("w2", since=51, age=1)) == ["w1"]


def test_what_is_in_the_way_of_a_task() -> None:
    waiting = [Waiting("t", 1, "no worker has skopeo"), Waiting("other", 1, "no worker has docker")]
    assert in_the_way_of("t", make(role("scheduler", "s"), waiting=waiting)) == ["jobs of t wait: no worker has skopeo"]
    dead = make(workers=[], redis=["Redis is full"])
    told = ["Redis is full", "no scheduler lives: nothing is started", "no worker lives: nothing is copied"]
    assert in_the_way_of("t", dead) == told


def test_what_is_paused_is_good_to_know() -> None:
    held = Hold(0.0, 0.0, "")
    task = TaskOverview("t", None, 0, 1.0, 0.0, hold=held)
    registry = RegistryOverview("r", 0, None, 0, None, 0.0, None, hold=held)
    assert "1 task and 1 registry paused" in verdict(role("scheduler", "s"), tasks=[task], registries=[registry]).facts


def _task(
    name: str, *, lag: float = 0.0, interval: int = 60, failed: int = 0, hold: Hold | None = None, copied: int = 1
) -> TaskOverview:
    run = RunCounts(f"1-{name}", name, "done", copied, 0, failed, 0, 0, 0, 1.0, 2.0)
    return TaskOverview(name, run, 0, 1.0, lag, run, interval=interval, hold=hold)


def test_a_stale_mirror_is_not_good() -> None:
    stale, slow = _task("stale", lag=7300), _task("slow", lag=7300, interval=3700)
    held, failing = _task("held", lag=7300, hold=Hold(0.0, 0.0, "")), _task("failing", lag=7300, failed=1)
    there = [stale, slow, held, failing]
    assert verdict(role("scheduler", "s"), tasks=there).problems == [
        "1 of 4 tasks fail: failing",
        "1 of 4 tasks is stale: stale (a change has been waiting for 2 h)",
    ]
    assert in_the_way_of("stale", make(role("scheduler", "s"), tasks=there)) == [
        "stale: a change has been waiting for 2 h"
    ]
    assert in_the_way_of("slow", make(role("scheduler", "s"), tasks=there)) == []
    assert verdict(role("scheduler", "s"), tasks=there, stale_after=7301).problems == ["1 of 4 tasks fail: failing"]


def test_a_task_without_a_good_run_for_long_is_stale() -> None:
    """A registry that refuses for hours fails no run: planning waits, and no change is seen."""
    quiet, once, never = _task("quiet"), _task("once", interval=0), replace(_task("never"), last_good=0.0)
    made = make(role("scheduler", "s"), tasks=[quiet, once, never], now=3602.0)
    assert made.verdict.problems == ["1 of 3 tasks is stale: quiet (it has had no run without failures for 60 min)"]
    assert make(role("scheduler", "s"), tasks=[quiet], now=3600.0).verdict.good


def test_a_first_run_that_brings_nothing_for_long_is_stale() -> None:
    planning = RunCounts("1", "t", "planning", 0, 0, 0, 0, 0, 0, 1.0, 0.0)
    first = TaskOverview("t", planning, 0, 0.0, 0.0)
    assert make(role("scheduler", "s"), tasks=[first], now=3600.0).verdict.good
    (problem,) = make(role("scheduler", "s"), tasks=[first], now=3602.0).verdict.problems
    assert problem == "1 of 1 tasks is stale: t (its first run has brought no image for 60 min)"
    again = replace(first, last=replace(planning, state="done", cancelled_why="an order"))
    assert "its newest run has" in make(role("scheduler", "s"), tasks=[again], now=3602.0).verdict.problems[0]
    moves = replace(first, newest=replace(planning, copied=1))
    assert make(role("scheduler", "s"), tasks=[moves], now=3602.0).verdict.good, "slow, and not stale"


def test_of_a_source_that_nobody_saw_for_long_the_lag_is_unknown() -> None:
    seen = TaskOverview("t", None, 0, 1.0, 0.0, interval=60, unseen=3600.0)
    assert seen.lag_known and not replace(seen, unseen=3601.0).lag_known
    assert replace(seen, unseen=3601.0, interval=1800).lag_known, "less than three intervals"
    assert replace(seen, unseen=3601.0, interval=0).lag_known, "a one-off task is not looked at again"
    assert replace(seen, unseen=3601.0, lag=5.0).lag_known, "what waits, waits"


def test_nothing_is_said_to_run_that_only_waits() -> None:
    there = RunCounts("1", "t", "running", 1, 0, 0, 0, 4, 0, 1.0, 0.0)
    task = TaskOverview("t", there, 4, 0.0, 0.0)
    waits, moves = [Waiting("t", 4, "all 16 slots of workers are taken")], [RunningJob("a", "b", 1.0, "t")]
    roles, planning = [role("scheduler", "s")], replace(task, newest=replace(there, state="planning"))
    assert make(*roles, waiting=waits).state_of(task) == "waiting"
    assert make(*roles, waiting=waits, running=moves).state_of(task) == "running"
    assert make(*roles, waiting=waits).state_of(planning) == "planning", "images of it wait, and it goes on"
    nothing_yet = replace(task, newest=replace(there, state="planning", open=0))
    assert make(*roles, waiting=waits).state_of(nothing_yet) == "waiting"
    assert make(*roles).state_of(task) == "running"
    assert make(*roles, workers=[]).state_of(task) == "waiting", "no worker lives"
    assert make(*roles, waiting=waits).state_of(replace(task, hold=Hold(0.0, 0.0, ""))) == "waiting, paused"
    assert make(*roles).state_of(replace(task, newest=None)) == "never ran"
    assert make(*roles).state_of(replace(task, left=1.0)) == "left config"


def test_one_reason_to_wait_is_told_once() -> None:
    full = [Waiting(f"t{number}", 2, "r is full", 9.0 - number) for number in range(7)]
    found = make(waiting=[*full, Waiting("t0", 1, "no worker lives")]).waiting_by_reason
    assert found == [
        Waiting("t0, t1, t2, t3, t4, and 2 more", 14, "r is full", 3.0),
        Waiting("t0", 1, "no worker lives"),
    ]


@pytest.mark.parametrize(
    ("next_run", "interval", "left", "ran", "told"),
    [
        (150.0, 60, 0.0, True, "in 50 s"),
        (95.0, 60, 0.0, True, "now"),
        (40.0, 60, 0.0, True, "overdue 60 s"),
        (0.0, 60, 0.0, True, "none"),
        (150.0, 60, 9.0, True, "none"),
        (0.0, 0, 0.0, True, ""),
        (0.0, 0, 0.0, False, "when ordered"),
    ],
)
def test_when_a_task_runs_next(next_run: float, interval: int, left: float, ran: bool, told: str) -> None:
    task = replace(_task("t", interval=interval), next_run=next_run, left=left)
    assert make(now=100.0).next_run_of(task if ran else replace(task, newest=None)) == told


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("no worker lives", "start a worker"),
        ("no worker has docker", "has it"),
        ("the task is paused by an operator: no worker lives there", "dregsy resume"),
        ("r.example refuses requests and is paused", "continues by itself"),
        ("docker.io has its 4 of max-concurrent", ""),
        ("docker.io has its level of 4 requests", ""),
        ("another job writes its target", ""),
        ("docker.io: no worker lives there; attempt 2", ""),
        ("r.example: it cannot be reached: connection refused; attempt 2", "reachable"),
    ],
)
def test_what_to_do_about_what_waits(why: str, told: str) -> None:
    assert told in waiting_advice(why) and bool(told) == bool(waiting_advice(why))


def test_the_alerts_have_the_same_rule_of_stale() -> None:
    alerts = yaml.safe_load((ROOT / "deploy" / "monitoring" / "alerts.yaml").read_text())["groups"][0]["rules"]
    rules = {alert["alert"]: alert["expr"] for alert in alerts}
    assert f"clamp_min(2 * dregsy_task_interval_seconds, {AFTER:.0f})" in rules["MirrorIsStale"]
    assert f"clamp_min(3 * dregsy_task_interval_seconds, {AFTER:.0f})" in rules["NoGoodRun"]


def test_of_what_nobody_knows_nothing_good_is_said() -> None:
    assert "no task is known" in verdict(role("scheduler", "s")).facts
    never = TaskOverview("t", None, 0, 0.0, 0.0)
    assert (
        "2 tasks, none fails, 1 has not ended a run" in verdict(role("scheduler", "s"), tasks=[never, _task("x")]).facts
    )


def test_of_many_tasks_some_are_named() -> None:
    tasks = [_task(f"t{number}", failed=1) for number in range(9)]
    assert verdict(role("scheduler", "s"), tasks=tasks).problems == [
        "9 of 9 tasks fail: t0, t1, t2, t3, t4, and 4 more"
    ]


def test_what_selects_no_image_is_told() -> None:
    tasks = [_task("t"), _task("none", copied=0), _task("failing", copied=0, failed=1)]
    assert "1 task selects no image: none" in verdict(role("scheduler", "s"), tasks=tasks).facts
