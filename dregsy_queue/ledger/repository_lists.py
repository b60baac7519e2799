"""Lists of repositories that all workers share for a while."""

from __future__ import annotations

import json
import math
import zlib

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key


class RepositoryLists:
    """`name` must say all that the list depends on: registry, lister, who asks, the cap."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection

    def get(self, name: str) -> list[str] | None:
        text = self._redis.get(key("list", name))
        if text is None:
            return None
        names: list[str] = json.loads(zlib.decompress(bytes.fromhex(text)))
        return names

    def put(self, name: str, repositories: list[str], seconds: float) -> None:
        """Remember for `seconds`; not at all when they are under one."""
        if seconds >= 1:
            text = zlib.compress(json.dumps(repositories).encode()).hex()
            self._redis.set(key("list", name), text, ex=math.ceil(seconds))
