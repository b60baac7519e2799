"""Presence: which workers live and what they offer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dregsy_queue.ledger.connection import Connection, answers
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


@dataclass(frozen=True)
class Moved:
    """How far a running transfer is: bytes so far, and bytes per second of late; None: it has just begun."""

    bytes: int
    rate: float | None


@dataclass(frozen=True)
class Heard:
    """What a heartbeat found: `lost` are jobs (id, epoch) in this worker's hand that the ledger does not hold for it;
    `put_back` are jobs that the ledger held for it and it did not name twice in a row: they wait again."""

    lost: set[tuple[str, int]]
    put_back: list[str]


class Presence:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection
        self._beats = 0
        self._scripts = Scripts(connection)

    def heartbeat(
        self,
        worker: str,
        *,
        slots: int,
        kinds: Iterable[str],
        draining: bool = False,
        in_hand: Iterable[tuple[str, int]] | None = None,
        moved: Mapping[str, Moved] | None = None,
    ) -> Heard:
        """Renew the lease, and compare what this worker runs with what the ledger holds for it.

        `in_hand`: ids and epochs of its jobs, from before their claim until their outcome is written; None: it does
        not say. `moved`: by job, as far as relays tell.
        """
        far = {
            job: (found.bytes, None if found.rate is None else round(found.rate))
            for job, found in (moved or {}).items()
        }
        beat: str | int = ""
        named: list[str | int] = []
        if in_hand is not None:
            self._beats += 1
            beat, named = self._beats, [value for job in sorted(in_hand) for value in job]
        strangers, put_back = self._scripts.run(
            "heartbeat", worker, LEASE, slots, ",".join(kinds), int(draining), beat, json.dumps(far), *named
        )
        lost = {(job, int(epoch)) for job, epoch in zip(*[iter(strangers)] * 2, strict=True)}
        return Heard(lost, list(put_back))

    def moved(self, worker: str) -> dict[str, Moved]:
        """How far the transfers of a worker are, by job, as of its last heartbeat; unknown ones are left out."""
        found = self._redis.hget(key("worker", worker), "moved")
        return {job: Moved(*values) for job, values in json.loads(found or "{}").items()}

    def workers(self) -> list[WorkerState]:
        """Workers that are registered, by name."""
        names = sorted(self._redis.zrange(key("workers"), 0, -1))
        known = answers(self._redis, (("HGETALL", key("worker", name)) for name in names))
        running = answers(self._redis, (("SCARD", key("worker", name, "running")) for name in names))
        return [
            WorkerState(
                name, int(fields["slots"]), int(number), tuple(fields["kinds"].split(",")), fields["draining"] == "1"
            )
            for name, fields, number in zip(names, known, running, strict=True)
            if fields
        ]
