"""The operator's day: every verb on a live cluster of two workers and two schedulers, in text and as JSON."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections import Counter
from typing import Any

import pytest

from tests.lab.cluster import Cluster, metrics, slow_skopeo
from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_image, push_many
from tests.lab.processes import wait_until
from tests.lab.registry import Registry

ODD = "[/odd] \x1b[31m name"


class Operator:
    """Somebody with a terminal of 80 columns, or a pipe."""

    def __init__(self, cluster: Cluster) -> None:
        self._environment = {**os.environ, "DREGSY_REDIS_URL": cluster.redis.url, "COLUMNS": "80"}

    def code(self, *arguments: str) -> int:
        command = [str(BIN / "dregsy"), *arguments]
        return subprocess.run(command, capture_output=True, env=self._environment, timeout=90).returncode

    def does(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [str(BIN / "dregsy"), *arguments], capture_output=True, text=True, env=self._environment, timeout=90
        )
        told = done.stdout + done.stderr
        assert done.returncode == code, told
        assert "Traceback" not in told and "\x1b" not in told
        if "--json" not in arguments:
            assert max(map(len, told.splitlines()), default=0) <= 80, told
            assert not [line for line in told.splitlines() if line != line.rstrip()], "no blanks at ends"
        return told

    def status(self, *arguments: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.does("status", "--json", *arguments))
        return document


@pytest.mark.timeout(240)
def test_a_day(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(24)])
    push_many(source, "lib/part", ["1"])
    config = write_config(
        cluster.folder,
        task("slow", location(source), location(target), mapping("lib/app"), interval=3600),
        task("part", location(source), location(target), mapping("lib/part", tags=["1", "2", "3"]), interval=3600),
        task(ODD, location(source), location(target), mapping("lib/app", "odd/app", tags=["1"]), interval=3600),
        registries={source.host: {"max-concurrent": 2}},
        skopeo=slow_skopeo(cluster.folder, 1.0),
    )
    for name in ("w1", "w2"):
        cluster.worker(config, name)
    for _ in range(2):
        cluster.beat(config)
    operator = Operator(cluster)
    cluster.wait_for("part", lambda counts: counts.done)
    cluster.wait_for("slow", lambda counts: counts.copied >= 1)
    hold = cluster.folder / "hold"
    hold.touch()

    # what is wrong, why, and what waits for what
    told = operator.does("status")
    assert told.startswith("WRONG: 1 of 3 tasks fail: part\n"), "who leads, standbys, workers, configs are well"
    assert "leads, 1 stands by; 2 workers with 32 slots; one config" in told
    assert f"{source.host} has its 2 of max-concurrent" in told and r"[/odd] \x1b[31m name" in told
    found = operator.status()
    assert not found["good"] and found["tasks"]["part"]["failed"] == 2
    (failure,) = found["tasks"]["part"]["failures"]
    assert failure["images"] == 2 and "does not exist" in failure["reason"] and failure["advice"]
    assert {job["worker"] for job in found["running"]} <= {"w1@lab", "w2@lab"} and found["running"]
    assert next(waiting["task"] for waiting in found["waiting"]) == "slow"
    assert found["tasks"]["part"]["lag"] is None and found["tasks"]["slow"]["lag"] > 0

    # pause, resume
    assert "is paused for 60 s" in operator.does("pause", "slow", "--for", "60s", "--reason", "moving [/b]")
    hold.unlink()
    wait_until(lambda: not operator.status()["running"], timeout=30, what="what ran to end")
    paused = operator.status()["tasks"]["slow"]
    assert paused["paused"]["reason"] == "moving [/b]" and paused["open"] > 0
    assert "the task is paused by an operator: moving [/b]" in operator.does("status")
    assert "first: dregsy resume slow" in operator.does("run", "slow", code=1)
    assert operator.status()["tasks"]["slow"]["copied"] == paused["copied"], "nothing started meanwhile"
    operator.does("status", "--check", code=1)
    operator.does("status", ODD, "--check", code=0)
    assert "dregsy retry part" in operator.does("status", "part", "--check", code=1)
    assert "Did you mean 'slow'?" in operator.does("status", "slw", code=1)
    assert "goes on" in operator.does("resume", "slow") and "was not paused" in operator.does("resume", "slow")

    # cancel; a registry on hold
    operator.does("pause", "--registry", source.host)
    assert operator.status()["registries"][source.host]["held"]
    operator.does("cancel", "slow")
    ended = cluster.wait_for("slow", lambda counts: counts.done, timeout=30)
    assert ended.cancelled > 0 and ended.failed == 0 and ended.copied + ended.cancelled == 24
    assert "nothing to cancel" in operator.does("cancel", ended.run)
    assert operator.status()["tasks"]["slow"]["state"] == "cancelled"
    operator.does("resume", "--registry", source.host)

    # run, and follow it to the end
    assert re.search(r"slow: \d+ copied, \d+ up to date, 0 failed", operator.does("run", "slow", "--wait"))
    again = cluster.wait_for("slow", lambda counts: counts.done)
    # one that was cancelled may have come through
    assert again.copied + again.up_to_date == 24 and again.up_to_date >= ended.copied > 0
    assert operator.status()["tasks"]["slow"]["last_good"]

    # retry what failed, and nothing else
    push_image(source, "lib/part", "2")
    push_image(source, "lib/part", "1", seed="changed meanwhile")
    before = target.digest("lib/part", "1")
    told = operator.does("retry", "part", "--wait", code=1)
    assert "planning again" in told and "part: 2 copied, 0 up to date, 1 failed" in told
    after = cluster.wait_for("part", lambda counts: counts.done and counts.copied == 2)
    assert (after.failed, target.digest("lib/part", "1")) == (1, before)
    assert target.digest("lib/part", "2") == source.digest("lib/part", "2")
    assert "1 failed" in operator.does("run", "part", "--wait", code=1)

    # history
    assert "does not exist" in operator.does("runs", "part")
    runs = json.loads(operator.does("runs", "--json"))
    assert [run["state"] for run in runs if run["task"] == "slow"] == ["done", "cancelled"]
    assert "lib/part:3" in operator.does("jobs", "part", "--failed")
    assert len(json.loads(operator.does("jobs", ended.run, "--json"))) == 24

    # forget
    for _ in range(2):
        assert "part is forgotten\nit is still in the config" in operator.does("forget", "part")
    assert "nothing to forget" in operator.does("forget", "no-such-task")
    assert "has no task 'no-such-task'" in operator.does("run", "no-such-task", code=1)
    forgotten = operator.status()["tasks"]["part"]
    assert (forgotten["state"], forgotten["run"], forgotten["lag"]) == ("never ran", None, None)
    assert "dregsy run part" in operator.does("jobs", "part", code=1)

    told_ends = [line for role in cluster.roles for line in role.lines() if line["msg"].startswith("run ended")]
    times = Counter(line["run"] for line in told_ends)
    assert {run for run, number in times.items() if number > 1} == {after.run}, "once each; a retried one ends twice"
    assert {"copied", "up_to_date", "failed", "seconds", "bytes"} <= set(told_ends[0])

    # nobody is left: all say so within a minute
    for role in cluster.roles:
        role.process.kill()
    killed = time.monotonic()
    wait_until(lambda: not operator.status()["workers"], timeout=60, what="leases to end")
    wait_until(lambda: metrics(cluster)["dregsy_scheduler_up"] == 0, timeout=30, what="no scheduler in the metrics")
    said = "WRONG: no scheduler lives: nothing is started; no worker lives: nothing is copied"

    def nobody_is_left() -> bool:
        return " ".join(operator.does("status", "--check", code=1).split()).startswith(said)

    # The standby's last mark of life may be younger than the leader's.
    wait_until(nobody_is_left, timeout=30, what="the verdict on both schedulers")
    assert operator.does("status").startswith("WRONG: no scheduler lives")
    assert "no worker of any host is alive" in operator.does("health", code=1)
    wait_until(lambda: operator.code("health", "scheduler"), timeout=30, what="the scheduler's mark of life to end")
    assert "no scheduler of" in operator.does("health", "scheduler", code=1)
    assert "no worker of" in operator.does("health", "worker", code=1)
    assert metrics(cluster)["dregsy_workers"] == 0
    assert time.monotonic() - killed < 60
