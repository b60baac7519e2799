"""Presence: which workers live and what they offer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.scripts import Scripts

#: Seconds between two heartbeats, and how long a worker counts as alive after one. Bounds how long a killed
#: worker's jobs wait: LEASE, and a second until somebody looks.
HEARTBEAT, LEASE = 5.0, 20.0


@dataclass(frozen=True)
class WorkerState:
    name: str
    slots: int
    running: int
    kinds: tuple[str, ...]
    draining: bool


class Presence:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def heartbeat(self, worker: str, *, slots: int, kinds: Iterable[str], draining: bool = False) -> set[str]:
        """Renew the lease; returns the ids of the jobs that this worker holds by Redis' account."""
        return set(self._scripts.run("heartbeat", worker, LEASE, slots, ",".join(kinds), int(draining)))

    def workers(self) -> list[WorkerState]:
        """Workers that are registered, by name."""
        states = []
        for name in sorted(self._redis.zrange(key("workers"), 0, -1)):
            fields = self._redis.hgetall(key("worker", name))
            if fields:
                running = int(self._redis.scard(key("worker", name, "running")))
                kinds = tuple(fields["kinds"].split(","))
                states.append(WorkerState(name, int(fields["slots"]), running, kinds, fields["draining"] == "1"))
        return states
