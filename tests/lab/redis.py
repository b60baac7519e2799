"""A real Redis of a test's own."""

from __future__ import annotations

import signal
from pathlib import Path

import redis

from tests.lab.processes import ManagedProcess, free_port, tool, wait_until


class RedisServer:
    """On a free TCP port; `append_only` makes it keep what it was told over a crash.

    `unix_socket`: on a socket in `folder` instead, as the one-command mode has it; `port` is then 0.
    """

    def __init__(self, folder: Path, *, append_only: bool = False, unix_socket: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.socket = folder / "redis.sock" if unix_socket else None
        self.port = 0 if unix_socket else free_port()
        self.url = f"redis+socket://{self.socket}" if unix_socket else f"redis://127.0.0.1:{self.port}/0"
        self._options = ["--appendonly", "yes", "--appendfsync", "everysec"] if append_only else ["--appendonly", "no"]
        self._process: ManagedProcess | None = None

    def start(self, *options: str) -> RedisServer:
        """`options`: of redis-server, for this start."""
        command = [tool("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        if self.socket:
            command += ["--unixsocket", str(self.socket)]
        self._process = ManagedProcess(
            [*command, "--dir", str(self.folder), *self._options, *options], self.folder / "log"
        )
        wait_until(self._answers, what="Redis")
        return self

    def stop(self) -> None:
        if self._process:
            self._process.stop(signal.SIGTERM)
            self._process = None

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def signal(self, number: int) -> None:
        assert self._process
        self._process.process.send_signal(number)

    def client(self) -> redis.Redis:
        if self.socket:
            return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)
        return redis.Redis.from_url(self.url, decode_responses=True)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
