"""Ends: by Ctrl-C, by SIGTERM, by SIGKILL; nothing is left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from dregsy_queue.embedded.children import worker_command
from tests.lab.dregsy import BIN, location, mapping, sync, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import ManagedProcess, processes_with, wait_until
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry


def slow_skopeo(folder: Path) -> str:
    """A skopeo that never gets to copy."""
    path = folder / "slow-skopeo"
    path.write_text('#!/bin/sh\ncase "$*" in *copy*) exec sleep 60;; esac\nexec skopeo "$@"\n')
    path.chmod(0o755)
    return str(path)


def start(config: Path, temporary: Path, log: Path | None = None) -> subprocess.Popen[bytes]:
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [str(BIN / "dregsy"), f"-config={config}"]
    with log.open("wb") if log else contextlib.nullcontext(subprocess.PIPE) as stderr:
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
        )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_within_seconds(
    tmp_path: Path, source: Registry, target: Registry, number: int, code: int
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(40)])
    config = write_config(
        tmp_path,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo={"binary": slow_skopeo(tmp_path)},
    )
    temporary = tmp_path / "tmp"
    process = start(config, temporary)
    wait_until(lambda: len([line for line in processes_with(str(tmp_path)) if "sleep 60" in line]) >= 4)
    assert any("redis" in line for line in processes_with(str(temporary)))
    process.send_signal(number)
    assert process.wait(30) == code, "long before skopeo could end"
    assert process.stderr and b"Traceback" not in process.stderr.read()
    assert [line for line in processes_with(str(tmp_path)) if "pytest" not in line] == []
    assert list(temporary.iterdir()) == []


def test_after_sigkill_no_process_goes_on_and_the_next_call_cleans_up(
    tmp_path: Path, source: Registry, target: Registry
) -> None:
    push_many(source, "lib/app", ["1", "2"])
    tasks = task("t", location(source), location(target), mapping("lib/app"))
    config = write_config(tmp_path, tasks, skopeo={"binary": slow_skopeo(tmp_path)})
    temporary = tmp_path / "tmp"
    process = start(config, temporary)
    wait_until(lambda: [line for line in processes_with(str(tmp_path)) if "sleep 60" in line])
    (folder,) = temporary.iterdir()
    assert stat.S_ISSOCK((folder / "redis.sock").stat().st_mode)
    assert [path for path in (folder, folder / "redis.sock") if path.stat().st_mode & 0o077] == []
    process.kill()
    process.wait()
    wait_until(lambda: not [line for line in processes_with(str(tmp_path)) if "pytest" not in line], timeout=10)
    (left,) = temporary.iterdir()
    assert left.stat().st_mode & 0o777 == 0o700
    write_config(tmp_path, tasks)
    assert sync(config, env={"TMPDIR": str(temporary)}).counts("t") == (2, 0, 0)
    assert list(temporary.iterdir()) == []


def test_a_private_redis_that_is_killed_is_told_in_one_line(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1"])
    tasks = task("t", location(source), location(target), mapping("lib/app"))
    temporary, log = tmp_path / "tmp", tmp_path / "log"
    process = start(write_config(tmp_path, tasks, skopeo={"binary": slow_skopeo(tmp_path)}), temporary, log)
    wait_until(lambda: [line for line in processes_with(str(tmp_path)) if "sleep 60" in line])
    (redis,) = [line for line in processes_with(str(temporary)) if "redis.sock" in line]
    os.kill(int(redis.split()[0]), signal.SIGKILL)
    assert process.wait(60) == 1
    told = log.read_text()
    assert "the private Redis ended or does not answer" in told and "Traceback" not in told
    assert [line for line in processes_with(str(tmp_path)) if "pytest" not in line] == []
    assert list(temporary.iterdir()) == []


def test_periodic_tasks_stay_and_run_again(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1"])
    config = write_config(
        tmp_path,
        task("often", location(source), location(target), mapping("lib/app", "often"), interval=30),
        task("once", location(source), location(target), mapping("lib/app", "once")),
    )
    process = start(config, tmp_path / "tmp")
    wait_until(lambda: target.tags("often") and target.tags("once"), timeout=30, what="first run")
    push_many(source, "lib/app", ["2"])
    wait_until(lambda: target.digest("often", "2"), timeout=45, what="second run")
    assert target.tags("once") == ["1"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert list((tmp_path / "tmp").iterdir()) == []


def test_sighup_runs_everything_again_with_the_config_of_now(
    tmp_path: Path, source: Registry, target: Registry
) -> None:
    push_many(source, "lib/app", ["1"])

    def write(*names: str) -> Path:
        intervals: dict[str, dict[str, int]] = {"often": {"interval": 3600}}
        tasks = [
            task(name, location(source), location(target), mapping("lib/app", name), **intervals.get(name, {}))
            for name in names
        ]
        return write_config(tmp_path, *tasks)

    config = write("often", "once")
    log = tmp_path / "log"
    process = start(config, tmp_path / "tmp", log)
    wait_until(lambda: target.tags("often") and target.tags("once"), timeout=40, what="first run")
    push_many(source, "lib/app", ["2"])
    config.write_text("relay: skopeo\ntasks: [{nam: x}]\n")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: "NOT used" in log.read_text(), timeout=20, what="the complaint")
    wait_until(lambda: target.digest("once", "2") and target.digest("often", "2"), timeout=40, what="second run")
    write("often", "once", "new")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: target.digest("new", "2"), timeout=40, what="the new task")
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_worker_ends_whichever_of_its_threads_gets_the_signal(tmp_path: Path) -> None:
    redis = RedisServer(tmp_path / "redis").start()
    config = write_config(tmp_path, task("t", location("127.0.0.1:9"), location("127.0.0.1:9"), mapping("a")))
    environment = {**os.environ, "DREGSY_CONFIG": str(config), "DREGSY_REDIS_URL": redis.url}
    worker = ManagedProcess(worker_command("w@embedded", 2), tmp_path / "log", env=environment)
    try:
        wait_until(lambda: "this worker is ready" in (tmp_path / "log").read_text(), what="the worker")
        threads = {int(path.name) for path in Path(f"/proc/{worker.pid}/task").iterdir()} - {worker.pid}
        send = ctypes.CDLL(None).tgkill
        assert any(send(worker.pid, thread, signal.SIGTERM) == 0 for thread in sorted(threads))
        assert worker.process.wait(30) == 0, "its main thread wakes up, too"
    finally:
        worker.kill()
        redis.kill()
