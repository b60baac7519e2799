"""What registries say is left of their pulls: noted for all workers, and asked for by one of them."""

from __future__ import annotations

from dataclasses import dataclass

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.scripts import Scripts

#: Shortest and longest time, in seconds, between two questions to a registry whose quota holds jobs up.
SHORTEST_PROBE, LONGEST_PROBE = 1.0, 60.0


@dataclass(frozen=True)
class Probe:
    """`source` (a whole reference) of a waiting job of `task`: a HEAD of it tells what is left of the quota."""

    task: str
    source: str


class Quotas:
    def __init__(self, connection: Connection) -> None:
        self._scripts = Scripts(connection)

    def observe(self, registry: str, limit: int, window: float, left: int) -> None:
        """A registry said how many of `limit` pulls per `window` seconds are left."""
        self._scripts.run("observe_quota", registry, limit, window, left)

    def probes(self) -> list[Probe]:
        """HEADs that this worker, and no other, shall send now."""
        flat = self._scripts.run("probe", SHORTEST_PROBE, LONGEST_PROBE)
        return [Probe(task, source) for task, source in zip(*[iter(flat)] * 2, strict=True)]
