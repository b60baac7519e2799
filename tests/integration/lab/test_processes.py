"""What tests start ends with them, and what runs can be seen."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

from tests.lab.processes import (
    ROOT,
    ManagedProcess,
    ProcessSampler,
    descendants,
    free_port,
    processes_with,
    tool,
    wait_until,
)


def test_ports_are_free_given_once_and_not_for_outgoing_connections() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(ports) < lowest_outgoing
    with socket.socket() as server:
        server.bind(("127.0.0.1", ports[0]))


@pytest.mark.parametrize("name", ["skopeo", "docker-registry", "redis-server"])
def test_tools_are_found(name: str) -> None:
    assert os.access(tool(name), os.X_OK)


def test_redis_is_found_without_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert os.access(tool("redis-server"), os.X_OK)
    with pytest.raises(FileNotFoundError, match="no-such-tool is missing"):
        tool("no-such-tool")


def test_a_child_is_told_to_stop_and_its_output_is_kept(tmp_path: Path) -> None:
    script = "trap 'echo bye; exit 3' TERM; echo hello >&2; while :; do sleep 0.05; done"
    child = ManagedProcess(["sh", "-c", script], tmp_path / "log", env={**os.environ, "A": "b"}, cwd=tmp_path)
    wait_until(lambda: "hello" in child.output())
    assert child.alive and os.getsid(child.pid) == child.pid
    assert psutil.Process(child.pid).cwd() == str(tmp_path) and psutil.Process(child.pid).environ()["A"] == "b"
    assert child.stop() == 3
    assert not child.alive and child.output() == "hello\nbye\n"
    assert child.stop() == 3, "once more does no harm"


def test_a_deaf_child_is_killed(tmp_path: Path) -> None:
    child = ManagedProcess(["sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.05; done"], tmp_path / "log")
    wait_until(lambda: "on" in child.output())
    assert child.stop(timeout=0.3) == -signal.SIGKILL


def test_a_child_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    program = (
        "import os, sys, time; from pathlib import Path\n"
        "from tests.lab.processes import ManagedProcess\n"
        "print(ManagedProcess(['sleep', '60'], Path(sys.argv[1])).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "log")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        # until setpriv has made way for it, nothing ties it to its parent
        wait_until(lambda: psutil.Process(pid).name() == "sleep", 5)
        parent.kill()
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, 5)


def test_the_sampler_sees_short_commands_and_what_only_their_environment_holds() -> None:
    argument, value = uuid.uuid4().hex, uuid.uuid4().hex
    with ProcessSampler() as sampler:
        subprocess.run(["sh", "-c", f"sh -c 'sleep 2; : {argument}'; :"], env={**os.environ, "HIDDEN": value})
    assert any(argument in command for command in sampler.commands)
    assert not any(value in command for command in sampler.commands)
    assert any(f"HIDDEN={value}" in environment for environment in sampler.environments)


def test_leftovers_are_found_by_a_mark_in_their_environment() -> None:
    mark = uuid.uuid4().hex
    assert processes_with(mark) == []
    environment = {**os.environ, "DREGSY_TEST_MARK": mark}
    # the shell ends at once; its child stays, and belongs to nobody here
    command = ["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"]
    pid = int(subprocess.run(command, env=environment, capture_output=True, text=True).stdout)
    try:
        assert [line.split()[0] for line in processes_with(mark)] == [str(pid)]
        assert pid not in [child.pid for child in descendants(os.getpid())]
    finally:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: processes_with(mark) == [])


def test_descendants_reach_grandchildren(tmp_path: Path) -> None:
    child = ManagedProcess(["sh", "-c", "sleep 60 & wait"], tmp_path / "log")
    wait_until(lambda: [each.name() for each in descendants(child.pid)] == ["sleep"])
    grandchild = descendants(child.pid)[0]
    child.kill()
    grandchild.kill()
    assert descendants(child.pid) == []


def test_waiting_ends_with_what_was_waited_for() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"the moon did not come true within 0\.2 s"):
        wait_until(lambda: False, 0.2, "the moon")
    assert time.monotonic() - began < 5
