"""Any order of events, on the real scripts and a real Redis: what must be true is true after each step, and in the end,
with one healthy worker and time, every run ends."""

from __future__ import annotations

import os

import pytest

from .model.fixtures import MakeMachine, on_redis
from .model.machine import Damaged, Machine, run

__all__ = ["on_redis"]

#: Of each seed. More of them by hand: DREGSY_MODEL_EXAMPLES=25000, and other seeds: DREGSY_MODEL_SEEDS=7,8.
EXAMPLES = int(os.environ.get("DREGSY_MODEL_EXAMPLES", "500"))
SEEDS = [int(seed) for seed in os.environ.get("DREGSY_MODEL_SEEDS", "1,2,3,4").split(",")]


@pytest.mark.timeout(240 + EXAMPLES)
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens(on_redis: MakeMachine, seed: int) -> None:
    run(on_redis(Machine), number=seed, examples=EXAMPLES)


@pytest.mark.timeout(240 + EXAMPLES)
def test_whatever_key_redis_loses_each_run_ends(on_redis: MakeMachine) -> None:
    run(on_redis(Damaged), number=SEEDS[0], examples=EXAMPLES // 4)
