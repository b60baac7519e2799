"""The summary at the end: a table by task with a total, and every reason why images failed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dregsy_queue.ledger.causes import causes
from dregsy_queue.ledger.report import RunCounts, RunReader
from dregsy_queue.terminal import clean, lines, plural

#: Reasons shown per task; the report has every image.
SHOWN = 10


def print_summary(console: Console, reader: RunReader, tasks: Sequence[str], *, interrupted: bool = False) -> None:
    runs = [counts for task in tasks if (counts := reader.newest(task)) is not None]
    if not runs:
        console.print(Text("interrupted: no run had begun" if interrupted else "nothing ran", style="yellow"))
        return
    console.print(_table(runs))
    still_open = sum(run.open for run in runs)
    planning = [run.task for run in runs if run.state == "planning"]
    if interrupted:
        rest = f"{plural(still_open, 'image')} still open" if still_open else "no transfer was open"
        more = f", planning of {', '.join(map(clean, planning))} had not ended" if planning else ""
        console.print(Text(f"interrupted: {rest}{more}", style="yellow"), soft_wrap=True)
    for run in runs:
        _print_failures(console, reader, run)


def _table(runs: Sequence[RunCounts]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("task", overflow="fold")
    columns = ["copied", "up to date", "failed", *(["open"] if any(run.open for run in runs) else []), "seconds"]
    for column in columns:
        table.add_column(column, justify="right")

    def row(name: str, of: Sequence[RunCounts], seconds: str, style: str = "") -> None:
        failed = sum(run.failed for run in of)
        table.add_row(
            Text(clean(name)),
            str(sum(run.copied for run in of)),
            str(sum(run.up_to_date for run in of)),
            Text(str(failed), style="red" if failed else ""),
            *([str(sum(run.open for run in of))] if "open" in columns else []),
            seconds,
            style=style,
        )

    for run in runs:
        row(run.task, [run], f"{run.seconds:.1f}" if run.done else "not ended")
    if len(runs) > 1:
        ended = [run for run in runs if run.done]
        whole = max((run.ended for run in ended), default=0) - min((run.started for run in runs), default=0)
        row("total", runs, f"{whole:.1f}" if len(ended) == len(runs) else "", style="bold")
    return table


def _print_failures(console: Console, reader: RunReader, run: RunCounts) -> None:
    found = causes(reader.results(run.run), run.failure) if run.failed else []
    for cause in found[:SHOWN]:
        if cause.number > 1:
            what = f"{cause.number} images of {clean(run.task)}"
        elif cause.stops_run:
            what = f"task {clean(run.task)}"
        else:
            what = f"{clean(cause.source)} → {clean(cause.target)}"
        console.print(Text.assemble(("failed: ", "red"), f"{what}: {clean(cause.text)}"), soft_wrap=True)
    if len(found) > SHOWN:
        rest = sum(cause.number for cause in found[SHOWN:])
        for line in lines(f"… and {plural(rest, 'more failure')} of {clean(run.task)}; --report FILE writes them all"):
            console.print(line)
