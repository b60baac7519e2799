"""Sync records: after each copy, which source digest was copied to a target, and which digest the target then had.

They matter where these two differ: one platform of a multi-platform image has a digest of its own, and a Docker
daemon writes manifests of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.jobs import SyncRecord
from dregsy_queue.ledger.keys import key


class Records:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection

    def look_up(self, task: str, targets: Sequence[str]) -> list[SyncRecord | None]:
        """The records of `targets` (whole references), in their order."""
        if not targets:
            return []
        texts = self._redis.hmget(key("records", task), list(targets))
        return [SyncRecord.parse(text) if text else None for text in texts]
