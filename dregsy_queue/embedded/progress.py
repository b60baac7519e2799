"""Progress while it works: a live display on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from dregsy_queue.ledger.report import RunCounts, RunningJob
from dregsy_queue.logs import fields

log = logging.getLogger(__name__)

#: Running transfers shown by name; the rest is a number.
SHOWN = 8
#: Seconds between two progress lines where there is no terminal.
LINE_EVERY = 10.0


class Display(Protocol):
    def __enter__(self) -> Display: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, runs: Sequence[RunCounts], running: Sequence[RunningJob]) -> None: ...


class LiveDisplay:
    """Overall bar, counts and rate, and the transfers that run now."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            console=console,
            expand=True,
        )
        self._overall = self._bar.add_task("planning", total=None, counts="")
        self._console = console
        self._live = Live(self._bar, console=console, refresh_per_second=8, transient=True)
        self._started = time.monotonic()

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._live.stop()

    def show(self, runs: Sequence[RunCounts], running: Sequence[RunningJob]) -> None:
        total = sum(run.total for run in runs)
        finished = total - sum(run.open for run in runs)
        copied, failed = sum(run.copied for run in runs), sum(run.failed for run in runs)
        planning = any(run.state == "planning" for run in runs)
        rate = copied / max(time.monotonic() - self._started, 0.1)
        counts = f"{copied} copied ({rate:.1f}/s), {sum(run.up_to_date for run in runs)} up to date"
        if failed:
            counts += f", [red]{failed} failed[/]"
        self._bar.update(
            self._overall,
            description="planning" if planning else "syncing",
            completed=finished,
            total=total or None,
            counts=counts,
        )
        now = time.time()
        lines = [
            Text(
                f"  {now - job.started:5.0f} s  {job.source} → {job.target}",
                no_wrap=True,
                overflow="ellipsis",
            )
            for job in running[:SHOWN]
        ]
        if len(running) > SHOWN:
            lines.append(Text(f"           … and {len(running) - SHOWN} more", style="dim"))
        self._live.update(Group(self._bar, *lines))


class LineDisplay:
    """A log line now and then, when something moved."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LINE_EVERY
        self._last = ""

    def __enter__(self) -> LineDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, runs: Sequence[RunCounts], running: Sequence[RunningJob]) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LINE_EVERY
        total, still_open = sum(run.total for run in runs), sum(run.open for run in runs)
        line = f"{total - still_open} of {total} images done, {len(running)} transfers running"
        if line != self._last:
            self._last = line
            log.info("%s", line, extra=fields(failed=sum(run.failed for run in runs) or ""))
