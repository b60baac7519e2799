"""Why a job waits: the first reason that admission goes by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dregsy_queue.ledger.holds import Hold
from dregsy_queue.ledger.overview import RegistryOverview, TaskOverview
from dregsy_queue.ledger.presence import WorkerState
from dregsy_queue.ledger.waiting import reason

TASK = TaskOverview("t", None, 3, 0.0, 0.0)
WORKER = WorkerState("w1@lab#1", 4, 1, ("plan", "skopeo"), draining=False)
FREE = RegistryOverview("src.example", 0, None, 0, None, 0.0, None)
HOLD = Hold(1.0, 0.0, "disk is full")


@pytest.mark.parametrize(
    ("registry", "told", "seconds"),
    [
        (FREE, "it is about to start", None),
        (replace(FREE, using=3, max_concurrent=3), "src.example has its 3 of max-concurrent", None),
        (replace(FREE, using=8, level=8.4), "src.example has its level of 8", None),
        (replace(FREE, using=8, level=8.5), "it is about to start", None),
        (replace(FREE, using=8, level=7.6, beyond="slower"), "src.example has its level of 8, slower beyond", None),
        (replace(FREE, started=9, transfers=9, window_frees=7.0), "src.example has its 9 transfers of this window", 7),
        (replace(FREE, quota_left=0, probe=40.0), "src.example has no pulls left; it is asked again", 40),
        (replace(FREE, quota_left=5, reserve=5), "src.example has 5 pulls left, in reserve; it is asked again", 0),
        (replace(FREE, paused=12.0, using=3, max_concurrent=3), "src.example refuses requests and is paused", 12),
        (replace(FREE, trying=True, using=1), "src.example was paused, and one transfer tries", None),
        (replace(FREE, hold=HOLD), "src.example is paused by an operator: disk is full", None),
    ],
)
def test_registries(registry: RegistryOverview, told: str, seconds: float | None) -> None:
    found = reason("skopeo", TASK, [registry], [WORKER])
    assert found.why.startswith(told) and found.seconds == seconds


def test_a_quota_is_that_of_the_source_and_plans_need_no_place() -> None:
    empty, full = replace(FREE, quota_left=0), replace(FREE, using=3, max_concurrent=3)
    assert reason("skopeo", TASK, [FREE, empty], [WORKER]).why == "it is about to start"
    assert reason("plan", TASK, [full], [WORKER]).why == "planning is about to start"


def test_parts_of_a_large_plan() -> None:
    """Workers of a release that knows none do not take them."""
    assert reason("shard", TASK, [FREE], [WORKER]).why == "no worker of this release lives"
    full, new = replace(FREE, using=3, max_concurrent=3), replace(WORKER, kinds=("plan", "shard"))
    assert reason("shard", TASK, [full], [new]).why.startswith("as many parts of large plans as workers take")


def test_workers_and_tasks() -> None:
    assert reason("docker", TASK, [FREE], [WORKER]).why == "no worker has docker"
    assert reason("skopeo", TASK, [FREE], []).why == "no worker lives"
    assert reason("skopeo", TASK, [FREE], [replace(WORKER, draining=True)]).why == "no worker has skopeo"
    assert reason("skopeo", TASK, [FREE], [replace(WORKER, running=4)]).why == "all 4 slots of workers are taken"
    held = replace(TASK, hold=HOLD)
    assert reason("skopeo", held, [FREE], [WORKER]).why == "the task is paused by an operator: disk is full"
