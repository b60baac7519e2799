"""What is worth telling of a task? Decided from what was told last, and how it stands now."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

from dregsy_queue.ledger.overview import TaskOverview
from dregsy_queue.ledger.staleness import why_stale

Event = Literal["failed", "stale", "recovered"]


@dataclass(frozen=True)
class Announced:
    """What the outside was told of a task."""

    failing: bool = False
    stale: bool = False

    @classmethod
    def parse(cls, text: str) -> Announced:
        """A scheduler of a newer release may have told more."""
        values = json.loads(text) if text else {}
        return cls(failing=bool(values.get("failing")), stale=bool(values.get("stale")))

    def __str__(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


def change(task: TaskOverview, told: Announced, now: float, after: float) -> tuple[Announced, list[Event]]:
    """What is told from now on, and what is to be said for it.

    A failure is told once, however many runs fail after it; a task has recovered when it neither fails nor is stale.
    One that is paused, or has left the config, keeps still.
    """
    if task.hold or task.left:
        return told, []
    failing = told.failing
    if task.last is not None and not task.last.cancelled_why:
        failing = task.last.failed > 0
    found = Announced(failing, bool(why_stale(task, now, after)))
    events: list[Event] = []
    if found.failing and not told.failing:
        events.append("failed")
    if found.stale and not told.stale:
        events.append("stale")
    if told != Announced() and found == Announced():
        events.append("recovered")
    return found, events
