"""Sync records: after each copy, which source digest was copied to a target, and which digest the target then had.

They matter where these two differ: one platform of a multi-platform image has a digest of its own, and a Docker
daemon writes manifests of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.jobs import SyncRecord
from dregsy_queue.ledger.keys import key


@dataclass(frozen=True)
class Saved:
    """The records of a task as Redis has them, and when each target was last looked at (Unix time); by target."""

    records: Mapping[str, str]
    looked: Mapping[str, str]


class Records:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection

    def look_up(self, task: str, targets: Sequence[str]) -> list[SyncRecord | None]:
        """The records of `targets` (whole references), in their order."""
        if not targets:
            return []
        texts = self._redis.hmget(key("records", task), list(targets))
        return [SyncRecord.parse(text) if text else None for text in texts]

    def look_up_with_age(self, task: str, targets: Sequence[str]) -> list[SyncRecord | None]:
        """As `look_up`, with the age of each as far as `note_seen` was told of it."""
        records = self.look_up(task, targets)
        if not any(records):
            return records
        seen = self._redis.hmget(key("looked", task), list(targets))
        now = self._now()
        return [_aged(record, text, now) for record, text in zip(records, seen, strict=True)]

    def note_seen(self, task: str, found: Mapping[str, SyncRecord], *, timed: bool) -> None:
        """These targets have just been seen to have what their records say; `timed`: when matters."""
        texts = {target: str(record) for target, record in found.items()}
        self.restore(task, Saved(texts, dict.fromkeys(found, str(self._now())) if timed else {}))

    def saved(self, task: str) -> Saved:
        """All that is known of a task."""
        return Saved(self._redis.hgetall(key("records", task)), self._redis.hgetall(key("looked", task)))

    def restore(self, task: str, saved: Saved) -> None:
        """Put back what was known; what is known of other targets stays."""
        pipeline = self._redis.pipeline(transaction=True)
        if saved.records:
            pipeline.hset(key("records", task), mapping=saved.records)
        if saved.looked:
            pipeline.hset(key("looked", task), mapping=saved.looked)
        pipeline.execute()

    def _now(self) -> int:
        """Seconds, by Redis' clock: workers' clocks differ."""
        return self._redis.time()[0]


def _aged(record: SyncRecord | None, seen: str | None, now: int) -> SyncRecord | None:
    # A clock that went back tells nothing.
    known = record is not None and seen is not None and seen.isdigit() and int(seen) <= now
    return replace(record, age=now - int(seen)) if record and seen and known else record
