"""Progress while it works: a live display on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dregsy_queue.ledger.report import RunCounts, RunningJob
from dregsy_queue.ledger.waiting import Waiting
from dregsy_queue.logs import log_fields
from dregsy_queue.terminal import clean, fitted, flow, moment, plural, span

log = logging.getLogger(__name__)

#: Running transfers, and reasons to wait, that are shown; the rest is a number.
SHOWN, REASONS = 8, 4
#: Seconds between two progress lines where there is no terminal.
LINE_EVERY = 10.0


@dataclass(frozen=True)
class Progress:
    """How it stands. `waiting`: what goes on later by itself."""

    runs: Sequence[RunCounts]
    running: Sequence[RunningJob]
    waiting: Sequence[Waiting]
    #: bytes sent to targets since the start, by transfers that have ended
    sent: int
    #: the task that runs next, and when (Unix time in seconds); None: no scheduler has one in store
    following: tuple[str, float] | None = None

    @property
    def total(self) -> int:
        return sum(run.total for run in self.runs)

    @property
    def open(self) -> int:
        return sum(run.open for run in self.runs)

    @property
    def idle(self) -> bool:
        return bool(self.runs) and all(run.done for run in self.runs)

    @property
    def moved(self) -> int:
        """Bytes, running transfers included as far as their relays tell."""
        return self.sent + sum(job.bytes or 0 for job in self.running)

    def phase(self) -> str:
        """One word or sentence: what it does now."""
        if not self.runs:
            return "starting"
        if self.idle:
            if self.following is None:
                return "idle"
            task, at = self.following
            return f"idle, next run of {clean(task)} at {moment(at, time.time())}"
        if self.running:
            return "syncing"
        planning = any(run.state == "planning" for run in self.runs)
        if self.waiting and not self._about_to_start():
            host = next((found.host for found in self.waiting if found.host), "")
            return f"waiting for {clean(host)}" if host else "waiting"
        return "planning" if planning else "syncing"

    def reasons(self) -> list[str]:
        """What waits, and for what; empty while everything goes on."""
        return [
            f"{clean(found.task)}: {plural(found.number, 'image')}: {clean(found.why)}"
            + (f", next in {span(found.seconds)}" if found.seconds is not None else "")
            for found in self.waiting
            if not _starts(found)
        ]

    def _about_to_start(self) -> bool:
        return all(_starts(found) for found in self.waiting)


def counts(*runs: RunCounts) -> list[str]:
    """``9 copied``, …: what there is any of; copied and up to date always."""
    cancelled, failed = sum(run.cancelled for run in runs), sum(run.failed for run in runs)
    found = [f"{sum(run.copied for run in runs)} copied", f"{sum(run.up_to_date for run in runs)} up to date"]
    return found + [f"{failed} failed"] * bool(failed) + [f"{cancelled} cancelled"] * bool(cancelled)


def _starts(waiting: Waiting) -> bool:
    """Whether it waits for nothing but its turn."""
    return waiting.why.endswith("about to start") or waiting.why == "no worker lives"


class Display(Protocol):
    def __enter__(self) -> Display: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, progress: Progress) -> None: ...
    def ended(self, run: RunCounts) -> None: ...


class LiveDisplay:
    """Overall bar, counts and rate, the transfers that run now, and what waits. The clock runs to the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._progress = Progress([], [], [], 0)
        #: when it was told last, and for how long it has worked: rates leave out the time between runs
        self._seen, self._worked = self._started, 0.0
        self._live = Live(console=console, refresh_per_second=8, transient=True, get_renderable=self._render)

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._live.stop()

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if not progress.idle:
            self._worked += now - self._seen
        self._seen, self._progress = now, progress

    def ended(self, run: RunCounts) -> None:
        """A line above the display."""
        text = f"{time.strftime('%H:%M:%S')} {clean(run.task)}: {', '.join(counts(run))} in {run.seconds:.1f} s"
        self._console.print(Text(text, style="red" if run.failed else "green"), soft_wrap=True)

    def _render(self) -> Group:
        progress, now = self._progress, time.time()
        elapsed = int(time.monotonic() - self._started)
        clock = f"{elapsed // 3600}:{elapsed // 60 % 60:02}:{elapsed % 60:02}"
        rate = progress.moved / max(self._worked, 0.1)
        moved = f"  {flow(progress.moved, rate)}" if progress.moved else ""
        head = Text(f"{clock}  {progress.phase()}{moved}", style="bold", no_wrap=True, overflow="ellipsis")
        lines: list[Text | Table] = [head, self._bar(progress)]
        for job in progress.running[:SHOWN]:
            far = "" if job.begins(now) else flow(job.bytes, job.rate)
            start = f"  {now - job.started:5.0f} s  {far:<19}  "
            names = fitted(clean(job.source), clean(job.target), self._console.width - len(start))
            lines.append(Text(start + names, no_wrap=True, overflow="ellipsis"))
        if len(progress.running) > SHOWN:
            lines.append(Text(f"           … and {len(progress.running) - SHOWN} more", style="dim"))
        lines += [Text(f"  {reason}", style="yellow", overflow="fold") for reason in progress.reasons()[:REASONS]]
        return Group(*lines)

    def _bar(self, progress: Progress) -> Table:
        done = progress.total - progress.open
        planning = any(run.state == "planning" for run in progress.runs)
        told = Text(f"{done} of {progress.total}  {', '.join(counts(*progress.runs))}", no_wrap=True)
        if any(run.failed for run in progress.runs):
            told.highlight_regex(r"\d+ failed", "red")
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(ratio=1, min_width=4)
        line.add_column(no_wrap=True, overflow="ellipsis")
        total = None if planning and not progress.total else max(progress.total, 1)
        line.add_row(ProgressBar(total=total, completed=done, pulse=total is None), told)
        return line


class LineDisplay:
    """A log line now and then, when something moved, and when there is another reason to wait."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LINE_EVERY
        self._last = ""

    def __enter__(self) -> LineDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ended(self, run: RunCounts) -> None:
        more = {"bytes": run.sent} if run.sent else {}
        log.info(
            "run ended: %s in %.1f s",
            ", ".join(counts(run)),
            run.seconds,
            extra=log_fields(
                task=run.task,
                run=run.run,
                copied=run.copied,
                up_to_date=run.up_to_date,
                failed=run.failed,
                seconds=f"{run.seconds:.1f}",
                **more,
            ),
        )

    def show(self, progress: Progress) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LINE_EVERY
        done, running = progress.total - progress.open, len(progress.running)
        line = f"{done} of {progress.total} images done, {plural(running, 'transfer')} running"
        reasons = progress.reasons()
        if not progress.total and not reasons:
            line = progress.phase()
        elif not running and reasons:
            line = f"{done} of {progress.total} images done; waiting: {reasons[0]}"
        if progress.idle:
            line = progress.phase()
        if line != self._last:
            self._last = line
            log.info("%s", line, extra=log_fields(failed=sum(run.failed for run in progress.runs) or ""))
