"""The model test itself: one line of a script is wrong, and it must be found."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from redis import RedisError

from dregsy_queue.ledger import scripts

from .model.fixtures import MakeMachine, on_redis
from .model.machine import Machine, run

__all__ = ["on_redis"]

LUA = Path(str(files(scripts.__package__))) / "lua"
#: What is wrong → (the line as it stands in the scripts, what stands there instead).
FAULTS = {
    "a heartbeat does not let go of what it puts back": (
        "        let_go(job)\n        if tonumber",
        "        if tonumber",
    ),
    "a claim ignores the epoch": ("if current ~= epoch or not kind", "if not kind"),
    "an outcome is written for a job that is not held": (
        "if not holds(job, epoch, worker) then\n  return settled_before(job, epoch, token) and 1 or 0\nend\nlocal now",
        "local now",
    ),
    "what is admitted twice has the same epoch": ("math.max((tonumber(epoch) or 0) + 1, math.floor(now * 1000))", "1"),
    "jobs of dead workers stay theirs": ("    lose(job, worker)\n", ""),
    "unclaimed jobs are not taken back": (
        "    if redis.call('HGET', key('job', job), 'state') == 'admitted' then\n      mark_windows(job, 0, false)",
        "    if false then",
    ),
    "planning again adds jobs twice": (
        "if image and redis.call('HEXISTS', key('run', run, 'jobs'), job) == 0 then",
        "if image then",
    ),
    "a cancelled job keeps its place": ("  let_go(job)\n  redis.call('ZREM', key('delayed'), job)\n", ""),
    "a retry does not open the run again": ("    reopen_run(run, task, 'running')\n", ""),
    "a registry's places are not counted": (
        "  if room < math.huge and redis.call('SCARD', key('using', registry)) >= room then",
        "  if room < math.huge and redis.call('SCARD', key('using', registry)) > room then",
    ),
    "a forgotten run leaves its jobs": ("    redis.call('UNLINK', key('job', job))\n", ""),
    "a shard that has ended is still wanted": ("local known = drop_shard(job)", "local known = true; let_go(job)"),
    "a plan counts as whole though Redis lost a part of it": (
        "  or redis.call('SCARD', key('run', run, 'targets')) < tonumber(wanted or 0)\n",
        "",
    ),
    "what lies in the future of a clock that was set back stays there": (
        "    redis.call('ZADD', name, instead, member)\n",
        "",
    ),
    "a resumed task gets no turn": ("enroll_all(name)\nreturn found", "return found"),
}


#: Seeds, each with so many examples: what is wrong is found by the first few of them.
SEEDS, EXAMPLES = range(1, 14), 40


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(on_redis: MakeMachine, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    right, wrong = FAULTS[fault]
    assert any(right in script.read_text() for script in LUA.rglob("*.lua")), "the line stands in no script"
    real = scripts._source
    monkeypatch.setattr(scripts, "_source", lambda name, between: real(name, between).replace(right, wrong))
    for number in SEEDS:
        try:
            run(on_redis(Machine), number=number, examples=EXAMPLES, shrink=False)
        except (AssertionError, RedisError):
            return
    pytest.fail("no example finds it")
