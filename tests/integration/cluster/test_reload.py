"""A config that changes under running roles: as editors and Kubernetes do it, good and broken."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.overview import Overview
from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import auth, location, mapping, task, write_config
from tests.lab.images import push_index, push_many
from tests.lab.processes import wait_until
from tests.lab.registry import Registry

Swap = Callable[[Path, Callable[[Path], object]], None]


def by_rename(config: Path, write: Callable[[Path], object]) -> None:
    """As an editor replaces a file."""
    folder = config.parent / f"new{time.monotonic_ns()}"
    folder.mkdir()
    write(folder)
    (folder / config.name).replace(config)


def by_symlink(config: Path, write: Callable[[Path], object]) -> None:
    """As Kubernetes updates a mounted secret: the file is a link through ``..data``, which is swapped."""
    folder = config.parent / f"..{time.monotonic_ns()}"
    folder.mkdir()
    write(folder)
    data = config.parent / "..data"
    link = config.parent / "..data_tmp"
    link.symlink_to(folder.name)
    link.replace(data)
    if not config.is_symlink():
        config.unlink(missing_ok=True)
        config.symlink_to(f"..data/{config.name}")


@pytest.mark.timeout(200)
@pytest.mark.parametrize("swap", [by_rename, by_symlink])
def test_a_watched_config(cluster: Cluster, source: Registry, target: Registry, swap: Swap) -> None:
    push_many(source, "lib/app", ["1"])
    folder = cluster.folder / "etc"
    folder.mkdir()
    config = folder / "dregsy.yaml"

    def tasks(*names: str) -> list[dict[str, Any]]:
        return [task(name, location(source), location(target), mapping("lib/app", name)) for name in names]

    swap(config, lambda where: write_config(where, *tasks("one"), watch=True))
    worker, scheduler = cluster.worker(config, "w1"), cluster.beat(config)
    cluster.wait_for("one", lambda counts: counts.done, timeout=30)
    swap(config, lambda where: write_config(where, *tasks("one", "two"), watch=True))
    counts = cluster.wait_for("two", lambda counts: counts.done, timeout=30)
    assert counts.copied == 1 and target.tags("two") == ["1"]
    starts = [line["task"] for line in scheduler.lines() if line["msg"] == "run started"]
    assert starts == ["one", "two"], "an unchanged one-off task does not run again"

    swap(config, lambda where: (where / config.name).write_text("relay: skopeo\nwatch: true\ntasks: [{nam: x}]\n"))
    wait_until(lambda: any("NOT used" in line["msg"] for line in scheduler.lines()), timeout=20)
    (loud,) = [line for line in scheduler.lines() if "NOT used" in line["msg"]]
    assert loud["level"] == "error" and "did you mean 'name'?" in loud["msg"]
    time.sleep(3)
    assert worker.process.alive and scheduler.process.alive

    swap(config, lambda where: write_config(where, *tasks("one", "three"), watch=True))
    cluster.wait_for("three", lambda counts: counts.done, timeout=30)
    assert target.tags("three") == ["1"]


@pytest.mark.timeout(120)
def test_sighup_reads_the_config_and_runs_everything(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1"])

    def write(*names: str) -> Path:
        intervals = {"often": {"interval": 3600}}
        return write_config(
            cluster.folder,
            *(
                task(name, location(source), location(target), mapping("lib/app", name), **intervals.get(name, {}))
                for name in names
            ),
        )

    config = write("once", "often")
    cluster.worker(config, "w1")
    scheduler = cluster.beat(config)
    for name in ("once", "often"):
        cluster.wait_for(name, lambda counts: counts.done, timeout=30)
    write("once", "often", "new")
    time.sleep(7)
    assert cluster.reader.newest("new") is None, "nobody asked for the change"
    scheduler.process.process.send_signal(signal.SIGHUP)
    cluster.wait_for("new", lambda counts: counts.done and counts.copied == 1, timeout=30)
    starts = [line["task"] for line in scheduler.lines() if line["msg"] == "run started"]
    assert sorted(starts) == ["new", "often", "often", "once", "once"]
    assert target.tags("new") == ["1"]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("watch", [True, False])
def test_a_corrected_password_counts_within_seconds(
    cluster: Cluster, make_registry: Callable[..., Registry], target: Registry, watch: bool
) -> None:
    closed = make_registry(users={"bob": "right-password"})
    push_many(closed, "lib/app", ["1", "2", "3"])

    def write(password: str) -> Path:
        source = location(closed, auth=auth("bob", password))
        often = task("often", source, location(target), mapping("lib/app", "often"), interval=3600)
        return write_config(cluster.folder, often, watch=watch)

    config = write("wrong-password")
    roles = [*(cluster.worker(config, f"w{n}") for n in range(2)), cluster.beat(config)]
    first = cluster.wait_for("often", lambda counts: counts.done, timeout=60)
    assert first.copied == 0 and first.failed
    write("right-password")
    again = cluster.wait_for("often", lambda counts: counts.run != first.run and counts.done, timeout=60)
    assert (again.copied, again.failed) == (3, 0)
    assert all(role.process.alive for role in roles)
    log = "".join(role.log.read_text() for role in roles)
    assert "-password" not in log and "Unclosed" not in log


@pytest.mark.timeout(120)
def test_jobs_of_a_removed_task_are_dropped(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(60)])
    gone = task("gone", location(source), location(target), mapping("lib/app", "gone"))
    stays = task("stays", location(source), location(target), mapping("lib/app", "stays", tags=["1"]))
    slow = slow_skopeo(cluster.folder, 1.5)
    config = write_config(cluster.folder, gone, stays, watch=True, skopeo=slow)
    worker = cluster.worker(config, "w1", "--concurrency", "4")
    cluster.beat(config)
    cluster.wait_for("gone", lambda counts: counts.copied >= 2, timeout=40)
    write_config(cluster.folder, stays, watch=True, skopeo=slow)
    counts = cluster.wait_for("gone", lambda counts: counts.done, timeout=60)
    assert counts.cancelled > 20 and counts.failed == 0 and counts.copied + counts.cancelled == 60
    assert any("dropped: its task is not in the config any more" in line["msg"] for line in worker.lines())
    assert cluster.wait_for("stays", lambda counts: counts.done).failed == 0


@pytest.mark.timeout(120)
def test_another_platform_in_the_config_reaches_the_target(
    cluster: Cluster, source: Registry, target: Registry
) -> None:
    """The source has not changed, but what the mapping wants of it has."""
    pushed = push_index(source, "lib/app", "1", platforms=["linux/amd64", "linux/arm64"])
    wanted = {
        "linux/amd64": pushed.children["linux/amd64"],
        "all": pushed.digest,
        "linux/arm64": pushed.children["linux/arm64"],
    }
    roles: list[object] = []
    for platform, digest in wanted.items():
        copy = task("t", location(source), location(target), mapping("lib/app", "mirror", platform=platform))
        config = write_config(cluster.folder, copy, watch=True)
        roles = roles or [cluster.worker(config, "w1"), cluster.beat(config)]
        wait_until(partial(_has, target, digest), timeout=30)


def _has(target: Registry, digest: str) -> bool:
    return target.tags("mirror") == ["1"] and target.digest("mirror", "1") == digest


@pytest.mark.timeout(120)
def test_a_worker_with_an_old_config_settles_nothing(cluster: Cluster, source: Registry, target: Registry) -> None:
    """What it does not know it leaves to others; where there are none the image has failed, and is not cancelled."""
    push_many(source, "lib/app", ["1", "2"])

    def write(name: str, *targets: str) -> Path:
        folder = cluster.folder / name
        folder.mkdir(exist_ok=True)
        to = [mapping("lib/app", target) for target in targets]
        # A one-off task: nobody would make up for an image that was dropped.
        return write_config(folder, task("t", location(source), location(target), *to))

    old, new = write("old", "one"), write("new", "one", "two")
    planner = cluster.worker(new, "planner", PATH="/nowhere")
    scheduler = cluster.beat(new)
    cluster.wait_for("t", lambda counts: counts.open == 4, timeout=30)
    cluster.worker(old, "old", DREGSY_MAX_ATTEMPTS="2", DREGSY_BACKOFF="0.5")
    first = cluster.wait_for("t", lambda counts: counts.done, timeout=60)
    assert (first.copied, first.failed, first.cancelled) == (2, 2, 0) and first.outcome == "failed"
    errors = {result.error for result in cluster.reader.results(first.run) if result.status == "failed"}
    why = "no mapping of its task copies this source to this target"
    assert errors == {f"no worker could copy it: {why}, by the config of the workers"}
    write("old", "one", "two")
    scheduler.process.process.send_signal(signal.SIGHUP)
    again = cluster.wait_for("t", lambda counts: counts.run != first.run and counts.done, timeout=60)
    assert (again.copied, again.up_to_date, again.failed, again.cancelled) == (2, 2, 0, 0)
    planner.process.stop()
    assert Overview(connect(cluster.redis.url)).lost_workers() == [], "it signed off"
