"""Levels: how many requests all workers together should have under way at a registry, as far as that is known."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.scripts import Scripts


@dataclass(frozen=True)
class Figures:
    """What one worker saw of a registry since it told last."""

    #: epoch in which these requests began
    epoch: int = 0
    #: seconds that these figures cover
    seconds: float = 0.0
    #: requests under way in this time on average, and together with those that waited for a permit
    flight: float = 0.0
    wanted: float = 0.0
    answers: int = 0
    #: 5xx, and requests without an answer; refusals (429) are neither answers nor failures here, they begin pauses
    failures: int = 0
    #: seconds that the good ones took to the ends of their answers
    served: float = 0.0
    #: good answers that came in this time, whenever they were asked for
    done: int = 0
    #: kind of request → number of good answers, and seconds until their heads came
    times: Mapping[str, tuple[int, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Level:
    epoch: int
    #: of all workers together; None: nothing stands in the way
    level: float | None
    #: of this worker; None: as much as it likes
    share: int | None
    #: requests that begin after so many seconds tell of this level
    counts_after: float
    #: seconds until the next call
    next_call: float
    #: there may be too many requests, although there is no level
    suspects: bool = False


class Levels:
    def __init__(self, connection: Connection) -> None:
        self._scripts = Scripts(connection)

    def tell(self, registry: str, worker: str, figures: Figures, *, refused: bool = False) -> Level:
        """Tell what a worker saw, and hear what its share is. `refused`: this call's worker began a pause."""
        times = [value for kind, (number, seconds) in figures.times.items() for value in (kind, number, seconds)]
        epoch, level, share, counts_after, next_call, suspects = self._scripts.run(
            "level",
            registry,
            worker,
            figures.epoch,
            int(refused),
            figures.seconds,
            figures.flight,
            figures.wanted,
            figures.answers,
            figures.failures,
            figures.served,
            figures.done,
            *times,
        )
        return Level(
            int(epoch),
            float(level) if level else None,
            int(share) if share else None,
            float(counts_after),
            float(next_call),
            bool(suspects),
        )


def transfers_at(level: float) -> int:
    """How many transfers a level lets start, as admit.lua counts."""
    return max(1, math.floor(level + 0.5))


def parse_level(fields: Mapping[str, str]) -> tuple[float | None, str]:
    """Of the key ``level:<registry>``: the level (None: nothing stands in the way), and what happens beyond it."""
    if "level" not in fields:
        return None, ""
    try:
        level, state = float(fields["level"]), json.loads(fields.get("state", "{}"))
    except ValueError:
        return None, ""
    return level, str(state.get("why", "")) if isinstance(state, dict) else ""
