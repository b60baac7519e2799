"""Letters to the outside that must arrive: written with the change they tell of, kept until they are delivered.

They hold no secret: only the sender knows their address and their signing key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.scripts import Scripts

#: Letters kept while nobody takes them; older ones give way.
MOST = 1000
#: Seconds for which a letter is one sender's: longer than a try takes.
LEASE = 60.0


@dataclass(frozen=True)
class Letter:
    id: str
    text: str
    #: from 1
    attempt: int


class Outbox:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def told(self) -> dict[str, str]:
        """By task: what was told of it last."""
        return self._redis.hgetall(key("told"))

    def tell(self, task: str, before: str, after: str, letters: Mapping[str, str]) -> bool:
        """Write `letters` (by id), and note that `after` is told of `task`; false if `before` has changed."""
        flat = [part for letter in letters.items() for part in letter]
        return bool(self._scripts.run("tell", task, before, after, MOST, *flat))

    def take(self) -> Letter | None:
        """A letter that is due; nobody else gets it for `LEASE` seconds."""
        found = self._scripts.run("take_letter", LEASE)
        return Letter(found[0], found[1], int(found[2])) if found else None

    def delivered(self, letter: Letter) -> None:
        """It arrived, or is given up."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.zrem(key("outbox"), letter.id)
        pipeline.hdel(key("letters"), letter.id)
        pipeline.hdel(key("letter attempts"), letter.id)
        pipeline.execute()

    def put_off(self, letter: Letter, seconds: float) -> None:
        """It did not arrive: again in so many seconds."""
        now = self._redis.time()
        self._redis.zadd(key("outbox"), {letter.id: now[0] + now[1] / 1e6 + seconds})
