"""CPU seconds that a start costs: of commands, and of one-command mode up to its first request."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

DREGSY = str(Path(sys.executable).with_name("dregsy"))
ROUNDS = 7

#: What must not get slower, in CPU seconds above `python -c pass`, on two shared cores.
LIMITS = {"dregsy --version": 0.12, "dregsy validate": 0.25, "dregsy health": 0.25, "before the first request": 0.7}

CONFIG = """\
relay: skopeo
tasks:
  - name: bench
    source: {{registry: "127.0.0.1:{port}", auth: none}}
    target: {{registry: "127.0.0.1:{port}", auth: none}}
    mappings: [{{from: a, to: b, tags: ["1"]}}]
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as registry:
        config = Path(folder) / "config.yaml"
        config.write_text(CONFIG.format(port=registry.getsockname()[1]))
        nothing = _median(lambda: _command([sys.executable, "-c", "pass"]))
        print(f"{'python -c pass':26} {nothing:5.2f} s")
        measured = {
            "dregsy --version": _median(lambda: _command([DREGSY, "--version"])),
            "dregsy validate": _median(lambda: _command([DREGSY, "validate", str(config)])),
            "dregsy health": _median(lambda: _command([DREGSY, "health"])),
            "before the first request": _median(lambda: _until_first_request(config, registry), rounds=3),
        }
        for name, seconds in measured.items():
            print(
                f"{name:26} {seconds:5.2f} s, at most {LIMITS[name]:.2f}  {'ok' if seconds <= LIMITS[name] else 'SLOW'}"
            )


def _median(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    return statistics.median(measure() for _ in range(rounds))


def _command(arguments: Sequence[str]) -> float:
    child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    return usage.ru_utime + usage.ru_stime


def _until_first_request(config: Path, registry: socket.socket) -> float:
    """CPU seconds of the command and all its children at the moment when somebody connects to the registry."""
    child = psutil.Popen([DREGSY, f"-config={config}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        registry.settimeout(60)
        connection, _ = registry.accept()
        connection.close()
        processes = [child, *child.children(recursive=True)]
        times = [process.cpu_times() for process in processes]
        # What has ended by now counts for its parent.
        return sum(time.user + time.system + time.children_user + time.children_system for time in times)
    finally:
        child.send_signal(signal.SIGTERM)
        registry.settimeout(0.2)
        while child.poll() is None:
            try:
                registry.accept()[0].close()
            except TimeoutError:
                continue
