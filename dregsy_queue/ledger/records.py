"""Sync records: what was last copied to a target, where source and target digest differ by nature.

One platform of a multi-platform image has its own digest, and a Docker daemon writes manifests of its own:
there a record says that this source digest was copied and left that target digest.
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
