"""History as a plot: one bar per run, drawn by the server, so that no script is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dregsy_queue.ledger.report import RunCounts
from dregsy_queue.terminal import span

#: Of the whole plot, and the least height of a bar, in the plot's own units.
WIDTH, HEIGHT, LEAST = 600, 80, 2
#: Widest bar.
WIDEST = 24


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    #: as `RunCounts.outcome`
    outcome: str
    label: str


def bars(runs: Sequence[RunCounts]) -> list[Bar]:
    """The oldest run left; as high as it took long, compared with the longest."""
    ordered = sorted(runs, key=lambda run: run.started)
    if not ordered:
        return []
    step = min(WIDEST, WIDTH / len(ordered))
    longest = max(run.seconds for run in ordered) or 1.0
    found = []
    for number, run in enumerate(ordered):
        height = max(LEAST, HEIGHT * run.seconds / longest)
        label = f"run {run.run}: {run.outcome}, {run.copied} copied, {run.failed} failed, {span(run.seconds)}"
        found.append(Bar(number * step, HEIGHT - height, step * 0.8, height, run.outcome, label))
    return found
