"""Workers and relays that are killed, stopped, hang, or lack what they need."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

from tests.conftest import MakeRegistry
from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import auth, location, mapping, task, write_config
from tests.lab.images import push_image, push_many
from tests.lab.processes import descendants, wait_until
from tests.lab.registry import Registry


def relays(pid: int) -> list[psutil.Process]:
    """Relay processes of a worker: each leads a session. What it forks looks like it, until it runs another program."""
    found = []
    for process in descendants(pid):
        try:
            if "copy" in process.cmdline() and os.getsid(process.pid) == process.pid:
                found.append(process)
        except (psutil.Error, ProcessLookupError):
            continue
    return found


def test_a_killed_relay_runs_again(cluster: Cluster, source: Registry, target: Registry) -> None:
    digests = push_many(source, "lib/app", [f"{n}" for n in range(20)])
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo=slow_skopeo(cluster.folder, 1),
    )
    hold = cluster.folder / "hold"
    hold.touch()
    worker = cluster.worker(config, "w1")
    cluster.beat(config)
    wait_until(lambda: len(relays(worker.process.pid)) >= 2)
    killed = relays(worker.process.pid)
    for process in killed:
        process.kill()
    hold.unlink()
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=60)
    assert (counts.copied, counts.failed) == (20, 0)
    attempts = sorted(job.attempts for job in cluster.reader.results(counts.run))
    assert attempts.count(2) == len(killed) and attempts[-1] == 2
    assert {tag: target.digest("lib/app", tag) for tag in digests} == digests


def test_no_relay_goes_on_after_its_worker(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(20)], size=4_000_000)
    config = write_config(cluster.folder, task("t", location(source), location(target), mapping("lib/app")))
    worker = cluster.worker(config, "w1")
    cluster.beat(config)
    found: list[psutil.Process] = []
    wait_until(lambda: found.extend(relays(worker.process.pid)) or found)  # type: ignore[func-returns-value]
    os.kill(worker.process.pid, signal.SIGKILL)
    wait_until(lambda: not any(process.is_running() for process in found), timeout=2, what="the end of all relays")


def test_running_transfers_finish_within_the_grace_time(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(30)])
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo=slow_skopeo(cluster.folder, 3),
    )
    leaving = cluster.worker(config, "leaving", DREGSY_GRACE="30")
    cluster.beat(config)
    wait_until(lambda: len(cluster.reader.running_transfers()) == 16, timeout=30)
    assert leaving.process.stop(timeout=25) == 0
    counts = cluster.reader.newest("t")
    assert counts and counts.copied == 16 and counts.open == 14, "what ran has finished, and nothing new was begun"
    assert cluster.reader.running_transfers() == []
    cluster.worker(config, "next")
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=60)
    assert counts.copied == 30
    assert {job.attempts for job in cluster.reader.results(counts.run)} == {1}


def test_a_job_that_kills_its_workers_is_given_up(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(5)])
    poison = push_image(source, "lib/app", "poison")
    killer = cluster.folder / "killer"
    killer.write_text(f'#!/bin/sh\ncase "$*" in *{poison}*) kill -9 $PPID;; esac\nexec skopeo "$@"\n')
    killer.chmod(0o755)
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo={"binary": str(killer)},
    )
    cluster.worker(config, "w0")
    cluster.beat(config)
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        counts = cluster.reader.newest("t")
        if counts and counts.done:
            break
        if not cluster.roles[-1].process.alive or (len(cluster.roles) == 2 and not cluster.roles[0].process.alive):
            cluster.worker(config, f"w{len(cluster.roles)}")
        time.sleep(0.2)
    assert counts and counts.done and (counts.copied, counts.failed) == (5, 1)
    (failed,) = [job for job in cluster.reader.results(counts.run) if job.status == "failed"]
    assert failed.source.endswith(":poison") and "3 workers ended while they ran it" in failed.error


def test_a_relay_that_hangs_is_ended_and_runs_again(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1", "2", "3"])
    hanging = cluster.folder / "hanging"
    hanging.write_text(
        f'#!/bin/sh\ncase "$*" in *copy*) mkdir {cluster.folder}/once 2>/dev/null && exec sleep 600;; esac\n'
        'exec skopeo "$@"\n'
    )
    hanging.chmod(0o755)
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo={"binary": str(hanging)},
    )
    worker = cluster.worker(config, "w1", DREGSY_STALLED="3")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=40)
    assert (counts.copied, counts.failed) == (3, 0)
    assert any("less than 100 B/s moved" in line["msg"] for line in worker.lines())
    assert relays(worker.process.pid) == []


def test_a_worker_without_skopeo_leaves_the_work_to_others(
    cluster: Cluster, source: Registry, target: Registry, tmp_path: Path
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(20)])
    config = write_config(cluster.folder, task("t", location(source), location(target), mapping("lib/app")))
    poor = cluster.worker(config, "poor", PATH="/nowhere")
    cluster.beat(config)
    wait_until(lambda: cluster.reader.newest("t") and cluster.reader.newest("t").open == 20)  # type: ignore[union-attr]
    time.sleep(2)
    waiting = cluster.reader.newest("t")
    assert waiting and waiting.open == 20, "jobs wait for a worker that can do them"
    assert any("takes no skopeo jobs" in line["msg"] and "install skopeo" in line["msg"] for line in poor.lines())
    cluster.worker(config, "rich")
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=40)
    assert (counts.copied, counts.failed) == (20, 0)
    assert not any(line["msg"].startswith("copied") for line in poor.lines())


def test_skopeo_that_vanishes_under_a_running_worker(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(60)])
    link = cluster.folder / "skopeo-link"
    link.symlink_to(slow_skopeo(cluster.folder, 0.3)["binary"])
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo={"binary": str(link)},
    )
    loser = cluster.worker(config, "loser")
    cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.copied >= 10)
    link.unlink()
    wait_until(lambda: any("takes no skopeo jobs any more" in line["msg"] for line in loser.lines()))
    link.symlink_to("/usr/bin/skopeo")
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=60)
    assert (counts.copied, counts.failed) == (60, 0)


def test_killed_workers_leave_nothing_on_disk(cluster: Cluster, target: Registry, make_registry: MakeRegistry) -> None:
    """No auth file, no socket, no temporary folder: neither while it runs nor after SIGKILL."""
    private = make_registry(users={"bob": "secret-word"})
    push_many(private, "lib/app", [f"{n}" for n in range(8)])
    config = write_config(
        cluster.folder,
        task("t", location(private, auth=auth("bob", "secret-word")), location(target), mapping("lib/app")),
        skopeo=slow_skopeo(cluster.folder, 2),
    )
    temporary, home = cluster.folder / "tmp", cluster.folder / "home"
    for folder in (temporary, home):
        folder.mkdir()
    before = set(cluster.folder.iterdir())
    environment = {"TMPDIR": str(temporary), "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
    worker = cluster.worker(config, "w1", **environment)
    cluster.beat(config)
    wait_until(lambda: len(relays(worker.process.pid)) >= 4)
    os.kill(worker.process.pid, signal.SIGKILL)
    assert [*temporary.rglob("*"), *home.rglob("*")] == []
    new = set(cluster.folder.iterdir()) - before
    assert {path.suffix for path in new} == {".log"}, new
    cluster.worker(config, "w2", **environment)
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=90)
    assert (counts.copied, counts.failed) == (8, 0)
    assert [*temporary.rglob("*"), *home.rglob("*")] == []
