"""The summary at the end: a table by task, and every failure in one line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dregsy_queue.ledger.report import RunCounts, RunReader

#: Failures shown one by one; the report has them all.
SHOWN = 20


def print_summary(console: Console, reader: RunReader, tasks: Sequence[str]) -> None:
    runs = [counts for task in tasks if (counts := reader.newest(task)) is not None]
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("task")
    for column in ("copied", "up to date", "failed", "seconds"):
        table.add_column(column, justify="right")
    for run in runs:
        table.add_row(
            Text(run.task),
            str(run.copied),
            str(run.up_to_date),
            Text(str(run.failed), style="red" if run.failed else ""),
            f"{run.ended - run.started:.1f}" if run.done else "not ended",
        )
    console.print(table)
    _print_failures(console, reader, runs)


def _print_failures(console: Console, reader: RunReader, runs: Sequence[RunCounts]) -> None:
    shown, failures = 0, sum(run.failed for run in runs)
    for run in runs:
        if not run.failed:
            continue
        for job in sorted(reader.results(run.run), key=lambda job: (job.source, job.target)):
            if job.status == "failed" and shown < SHOWN:
                shown += 1
                name = f"{job.source} → {job.target}" if job.target else f"task {job.source}"
                console.print(Text.assemble(("failed: ", "red"), f"{name}: {job.error}"), soft_wrap=True)
    if failures > shown:
        console.print(f"… and {failures - shown} more failures; --report FILE writes them all")
