"""A Redis with a replica: killed, frozen, restored from an older dump, failed over."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import redis

from tests.lab.processes import wait_until
from tests.lab.redis import RedisServer


class RedisPair:
    """Both keep an append-only file; `primary` is who the lines should lead to."""

    def __init__(self, folder: Path) -> None:
        self.primary = RedisServer(folder / "a", append_only=True)
        self._replica = RedisServer(folder / "b", append_only=True)
        self._dumps = folder / "dumps"
        self._dumps.mkdir()

    def start(self) -> RedisPair:
        self.primary.start()
        self._replica.start()
        self._follow()
        self._wait_for_replica()
        return self

    def stop(self) -> None:
        self.primary.kill()
        self._replica.kill()

    def dump(self) -> Path:
        """Everything as it is now."""
        with self.primary.client() as client:
            client.save()
        number = len(list(self._dumps.iterdir()))
        return Path(shutil.copy(self.primary.folder / "dump.rdb", self._dumps / str(number)))

    def restore(self, dump: Path) -> None:
        """Redis has ended: start it with what a dump has, and nothing else."""
        self.primary.kill()
        shutil.rmtree(self.primary.folder / "appendonlydir")
        shutil.copy(dump, self.primary.folder / "dump.rdb")
        self.primary.start("--appendonly", "no")
        with self.primary.client() as client:
            client.config_set("appendonly", "yes")

    def fail_over(self) -> None:
        """The primary is gone, the replica takes its place; what it had not heard yet is lost."""
        self._wait_for_replica()
        self.primary.kill()
        self.primary, self._replica = self._replica, self.primary
        with self.primary.client() as client:
            client.replicaof("NO", "ONE")

    def bring_back(self) -> None:
        """After a fail-over: the old primary becomes the replica."""
        self._replica.start()
        self._follow()

    def _follow(self) -> None:
        with self._replica.client() as client:
            client.replicaof("127.0.0.1", str(self.primary.port))

    def _wait_for_replica(self) -> None:
        with self._replica.client() as client:
            wait_until(lambda: client.info("replication")["master_link_status"] == "up", what="the replica")


def quietly(client: redis.Redis, *command: str) -> None:
    """A command whose answer may not come."""
    with contextlib.suppress(redis.RedisError):
        client.execute_command(*command)  # type: ignore[no-untyped-call]
