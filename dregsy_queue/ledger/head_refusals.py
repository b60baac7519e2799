"""Registries whose HEADs do not work, as far as any worker found out, and pulls that take the place of HEADs."""

from __future__ import annotations

import uuid

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.scripts import Scripts


class HeadRefusals:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def remember(self, registry: str, seconds: float) -> None:
        """HEADs of `registry` do not work, for so many seconds from now; a longer time that stands is kept."""
        until = self._now() + seconds
        if float(self._redis.hget(key("head refusals"), registry) or 0) < until:
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.hset(key("head refusals"), mapping={registry: str(until)})
            pipeline.execute()

    def all(self) -> dict[str, float]:
        """Registry → seconds left; what is over is removed."""
        now = self._now()
        left = {name: float(until) - now for name, until in self._redis.hgetall(key("head refusals")).items()}
        over = [name for name, seconds in left.items() if seconds <= 0]
        if over:
            self._redis.hdel(key("head refusals"), *over)
        return {name: seconds for name, seconds in left.items() if seconds > 0}

    def pulled(self, registry: str) -> None:
        """A manifest of `registry` was read in place of a HEAD: it counts in its limit of transfers, if it has one."""
        self._scripts.run("count_pull", registry, uuid.uuid4().hex)

    def _now(self) -> float:
        seconds, microseconds = self._redis.time()
        return float(seconds) + float(microseconds) / 1e6
