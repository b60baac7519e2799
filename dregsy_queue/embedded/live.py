"""The live display of one-command mode, on a terminal."""

from __future__ import annotations

import time

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.embedded.progress import Progress, counts
from dregsy_queue.ledger.report import RunCounts
from dregsy_queue.terminal import clean, fitted, flow

#: Running transfers, and reasons to wait, that are shown; the rest is a number.
SHOWN, REASONS = 8, 4


class LiveDisplay:
    """Overall bar, counts and rate, the transfers that run now, and what waits. The clock runs to the end."""

    def __init__(self, console: Console, clock: Clock = SYSTEM) -> None:
        self._console, self._clock = console, clock
        self._started = clock.monotonic()
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
        now = self._clock.monotonic()
        if not progress.idle:
            self._worked += now - self._seen
        self._seen, self._progress = now, progress

    def ended(self, run: RunCounts) -> None:
        """A line above the display."""
        told = "its mappings select no image" if run.empty else f"{', '.join(counts(run))} in {run.seconds:.1f} s"
        text = f"{time.strftime('%H:%M:%S')} {clean(run.task)}: {told}"
        self._console.print(Text(text, style="red" if run.failed else "green"), soft_wrap=True)

    def _render(self) -> Group:
        progress, now = self._progress, self._clock.time()
        elapsed = int(self._clock.monotonic() - self._started)
        clock = f"{elapsed // 3600}:{elapsed // 60 % 60:02}:{elapsed % 60:02}"
        rate = progress.moved / max(self._worked, 0.1)
        moved = f"  {flow(progress.moved, rate)}" if progress.moved else ""
        head = Text(f"{clock}  {progress.phase(now)}{moved}", style="bold", no_wrap=True, overflow="ellipsis")
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
