"""Holds: tasks and registries that an operator paused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key

Held = Literal["task", "registry"]


@dataclass(frozen=True)
class Hold:
    """No job of a task, or to or from a registry, starts; what runs goes on."""

    #: Unix times in seconds; `until` 0: until it is resumed
    since: float
    until: float
    reason: str


class Holds:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection

    def all(self) -> dict[tuple[Held, str], Hold]:
        """Holds that stand, by what is held: ``("task", NAME)`` or ``("registry", HOST)``."""
        found: dict[tuple[Held, str], Hold] = {}
        now = float(self._redis.time()[0])
        for field, text in self._redis.hgetall(key("holds")).items():
            kind, _, name = field.partition(" ")
            value = json.loads(text)
            held: Held = "registry" if kind == "registry" else "task"
            hold = Hold(float(value["since"]), float(value["until"]), str(value["reason"]))
            if not hold.until or now < hold.until:
                found[held, name] = hold
        return found
