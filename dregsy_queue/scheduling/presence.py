"""How do others know that a scheduler lives? It says so after each look, so that one that is stuck says nothing."""

from __future__ import annotations

import os
import secrets
import socket

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.config.current import CurrentConfig
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.roles import RENEW, Roles
from dregsy_queue.scheduling.leader import Leader

#: Seconds for which a mark of life counts.
LIVES = 30


def scheduler_name() -> str:
    """``host#pid``; in a container, where all have process 1, ``host#`` and random digits: two containers with the
    network of their host have its name, too."""
    return f"{socket.gethostname()}#{os.getpid() if os.getpid() > 1 else secrets.token_hex(3)}"


class SchedulerPresence:
    def __init__(self, connection: Connection, name: str, config: CurrentConfig, clock: Clock = SYSTEM) -> None:
        self._redis, self._roles = connection, Roles(connection)
        self._name, self._config = name, config
        self._clock, self._next = clock, 0.0
        self._said: tuple[bool, str, str] | None = None

    def renew(self, *, leads: bool, leader: Leader) -> None:
        """Say that this scheduler lives, every `RENEW` seconds, and at once what is new."""
        now, says = self._clock.monotonic(), (leads, self._config.digest, self._config.error)
        if now < self._next and says == self._said:
            return
        self._redis.set(key("scheduler", socket.gethostname()), "1", ex=LIVES)
        self._roles.renew(
            "scheduler",
            self._name,
            config_hash=self._config.digest,
            config_error=self._config.error,
            scheduled=leader.scheduled() if leads else None,
        )
        if leads:
            leader.told()
        self._next, self._said = now + RENEW, says
