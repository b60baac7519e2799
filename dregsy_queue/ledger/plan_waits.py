"""What planning waits for between two tries, for `dregsy status`."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, fields

from redis import RedisError

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.redact import scrub

#: Seconds after its time at which a note is ignored: its planner is gone.
STALE = 10.0


@dataclass(frozen=True)
class PlanWait:
    """`number` repositories or images of a task could not be looked at; try `attempt` of `most` follows."""

    number: int
    attempt: int
    most: int
    #: seconds until that try
    seconds: float
    #: the first of the reasons
    error: str


class PlanWaits:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection

    def note(self, task: str, wait: PlanWait) -> None:
        """Planning of `task` waits from now on; the next note replaces this one. Not noted while Redis is away."""
        with contextlib.suppress(RedisError, OSError):
            value = {**asdict(wait), "error": scrub(wait.error), "until": self._now() + wait.seconds}
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.hset(key("plan waits"), mapping={task: json.dumps(value)})
            pipeline.execute()

    def clear(self, task: str) -> None:
        """Planning of `task` is over."""
        with contextlib.suppress(RedisError, OSError):
            self._redis.hdel(key("plan waits"), task)

    def all(self) -> dict[str, PlanWait]:
        """By task; `seconds` is what is left."""
        found, now = {}, self._now()
        for task, text in self._redis.hgetall(key("plan waits")).items():
            value = json.loads(text)
            left = float(value["until"]) - now
            if left > -STALE:
                # A planner of a newer release may have noted more.
                known = {field.name: value[field.name] for field in fields(PlanWait)}
                found[task] = PlanWait(**{**known, "seconds": max(0.0, left)})
        return found

    def _now(self) -> float:
        seconds, microseconds = self._redis.time()
        return seconds + microseconds / 1e6
