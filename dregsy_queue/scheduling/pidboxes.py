"""Each killed worker leaves a binding of Celery's remote control in Redis; the leading scheduler removes them."""

from __future__ import annotations

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.presence import Presence
from dregsy_queue.prefix import DEFAULT_PREFIX, PREFIX

#: Where kombu keeps them (its Redis transport, `keyprefix_queue`), under the prefix that celery.py gives it.
_BINDINGS = ("" if PREFIX == DEFAULT_PREFIX else PREFIX) + "_kombu.binding.celery.pidbox"
_SEPARATOR, _QUEUE = "\x06\x16", ".celery.pidbox"


class Pidboxes:
    def __init__(self, connection: Connection) -> None:
        self._redis, self._presence = connection, Presence(connection)
        self._dead: set[str] = set()

    def sweep(self) -> int:
        """Remove bindings of workers that were gone at the last look, too (one that starts has a binding before it has
        a lease); returns how many. Raises: redis.RedisError."""
        living = {worker.name.rpartition("#")[0] for worker in self._presence.workers()}
        dead = {
            binding
            for binding in self._redis.smembers(_BINDINGS)
            if binding.endswith(_QUEUE) and binding.rpartition(_SEPARATOR)[2].removesuffix(_QUEUE) not in living
        }
        gone = dead & self._dead
        self._dead = dead - gone
        return self._redis.srem(_BINDINGS, *gone) if gone else 0
