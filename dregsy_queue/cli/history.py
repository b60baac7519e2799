"""`dregsy runs` and `dregsy jobs`: what ran, and how each image ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.text import Text

from dregsy_queue.cli import options
from dregsy_queue.cli.connected import Refused, connected
from dregsy_queue.cli.lazy import did_you_mean
from dregsy_queue.ledger.causes import causes
from dregsy_queue.ledger.jobs import JobResult
from dregsy_queue.ledger.orders import names_of
from dregsy_queue.ledger.overview import Overview
from dregsy_queue.ledger.report import RunCounts, RunReader, rows
from dregsy_queue.terminal import clean, lines, moment, size, span, table, write


@click.command(
    epilog="""\b
Examples:
  dregsy runs
  dregsy runs mirror
  dregsy runs --json | jq '.[] | select(.failed > 0)'

\b
How many runs of a task are kept, and how long: DREGSY_KEEP_RUNS, by default 5,
and DREGSY_KEEP_DAYS, by default 30.
"""
)
@click.argument("task", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@options.cluster
def runs(task: str | None, as_json: bool) -> None:
    """List the last runs of all tasks, or of one: when, how long, how many images, and why some failed."""
    with connected() as connection:
        overview, reader = Overview(connection), RunReader(connection)
        names = names_of(connection, ())
        if task is not None and task not in names:
            raise Refused(f"there is no task '{clean(task)}'.{clean(did_you_mean(task, names))}")
        found = reader.runs_of([name for name in names if task in (None, name)])
        found.sort(key=lambda run: -run.started)
        reasons = {run.run: reason_of(run, reader) for run in found}
        now = overview.now()
    if as_json:
        click.echo(json.dumps([_run(run, reasons[run.run]) for run in found], indent=2, ensure_ascii=False))
        return
    rows: list[Sequence[str | Text]] = []
    for run in found:
        took = span(run.seconds) if run.done else ""
        state = Text(run.outcome, style="red" if run.failed else "")
        counts = (str(run.copied), str(run.up_to_date), str(run.failed))
        sent = size(run.sent) if run.sent else ""
        rows.append((run.run, run.task, state, *counts, moment(run.started, now), took, sent))
    if not found:
        write(lines("no run is known" if task is None else f"{clean(task)}: no run is known"))
        return
    headers = ("run", "task", "state", "copied", "same", "failed", "started", "took", "sent")
    write([table(headers, rows, left=(0, 1, 2), folds=(0, 1))])
    for run in found:
        if reasons[run.run]:
            write(lines(f"{clean(run.run)}: {clean(reasons[run.run])}", hang=2))


def reason_of(run: RunCounts, reader: RunReader) -> str:
    """Why images of the run failed, the most frequent reason; or why it, or some of its images, were cancelled."""
    if not run.failed:
        if run.cancelled_why or not run.cancelled:
            return f"cancelled: {run.cancelled_why}" if run.cancelled_why else ""
        found = causes(reader.results(run.run), status="cancelled")
        return f"{run.cancelled} cancelled: {found[0].text}" if found else ""
    found = causes(reader.results(run.run), run.failure)
    more = f" (and {len(found) - 1} more reasons)" if len(found) > 1 else ""
    if run.failure:
        return f"planning failed: {run.failure.error}{more}"
    return f"{found[0].number} failed: {found[0].text}{more}" if found else ""


def _run(run: RunCounts, reason: str) -> dict[str, Any]:
    return {
        "run": run.run,
        "task": run.task,
        "state": run.outcome,
        "copied": run.copied,
        "up_to_date": run.up_to_date,
        "failed": run.failed,
        "cancelled": run.cancelled,
        "open": run.open,
        "started": run.started,
        "ended": run.ended or None,
        "seconds": run.seconds if run.done else None,
        "bytes": run.sent,
        "reason": reason or None,
    }


@click.command(
    epilog="""\b
Examples:
  dregsy jobs 17-3fa9c2d1          all images of a run; `dregsy runs` lists ids
  dregsy jobs mirror --failed      failed images of the task's newest run
"""
)
@click.argument("run", metavar="RUN|TASK")
@click.option("--failed", is_flag=True, help="Only images that failed, with their reasons.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, as in the report.")
@options.cluster
def jobs(run: str, failed: bool, as_json: bool) -> None:
    """List the images of a run, and how each ended."""
    with connected() as connection:
        reader = RunReader(connection)
        counts = reader.find(run)
        if counts is None:
            known = names_of(connection, ())
            if run in known:
                raise Refused(f"no run of '{clean(run)}' is known; first: dregsy run {clean(run)}")
            near = clean(did_you_mean(run, known)) or " See dregsy runs."
            raise Refused(f"there is no run and no task '{clean(run)}'.{near}")
        found = [result for result in reader.results(counts.run) if not failed or result.status == "failed"]
        as_reported = rows(reader, counts) if as_json else []
    if as_json:
        chosen = [row for row in as_reported if not failed or row["status"] == "failed"]
        click.echo(json.dumps(chosen, indent=2, ensure_ascii=False))
        return
    found.sort(key=lambda result: (result.source, result.target))
    if counts.failure:
        write(lines(f"planning of task {clean(counts.task)} failed: {clean(counts.failure.error)}", hang=2))
    if found:
        write([table(("image", "state", "attempts", "took"), [_row(result) for result in found], left=(0, 1))])
    elif not counts.failure:
        what = "no image has failed" if failed else "there are no images"
        write(lines(f"{clean(counts.task)}: run {clean(counts.run)}: {what}"))
    for result in found:
        if result.status == "failed" or (result.status == "cancelled" and result.error):
            write(lines(f"{clean(result.target or result.source)}: {clean(result.error)}", hang=2))


def _row(result: JobResult) -> Sequence[str | Text]:
    state = Text(result.status, style="red" if result.status == "failed" else "")
    took = f"{result.seconds:.1f} s" if result.seconds else ""
    return (result.target or result.source, state, str(result.attempts or ""), took)
