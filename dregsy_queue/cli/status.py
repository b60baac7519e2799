"""`dregsy status`: the cluster at a glance."""

from __future__ import annotations

import json
import time
from typing import Any

import click
from redis import RedisError
from rich.console import Console
from rich.table import Table

from dregsy_queue import settings
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.overview import Overview
from dregsy_queue.ledger.report import RunReader, report


@click.command(
    epilog="""\b
Examples:
  dregsy status
  dregsy status --watch
  dregsy status --json | jq '.tasks.mirror.failed'
"""
)
@click.option("--json", "as_json", is_flag=True, help="As JSON; tasks as in the report of `dregsy sync`.")
@click.option("--watch", is_flag=True, help="Again every two seconds, until Ctrl-C.")
def status(as_json: bool, watch: bool) -> None:
    """Tasks and their last runs, the queue, workers, and each registry's limits."""
    try:
        connection = connect(settings.from_environment().redis_url)
        overview = Overview(connection)
        if as_json:
            names = [task.name for task in overview.tasks()]
            document = {**report(RunReader(connection), names), **_as_dict(overview)}
            click.echo(json.dumps(document, indent=2, ensure_ascii=False))
            return
        console = Console()
        while True:
            if watch:
                console.clear()
            _show(console, overview)
            if not watch:
                return
            time.sleep(2)
    except KeyboardInterrupt:
        return
    except (RedisError, OSError) as error:
        click.echo(f"Redis does not answer: {error}", err=True)
        raise SystemExit(1) from None


def _as_dict(overview: Overview) -> dict[str, Any]:
    return {
        "jobs": overview.states(),
        "workers": [
            {"name": w.name, "slots": w.slots, "running": w.running, "kinds": list(w.kinds), "draining": w.draining}
            for w in overview.workers()
        ],
        "registries": {
            r.name: {
                "using": r.using,
                "max_concurrent": r.max_concurrent,
                "paused": r.paused,
                "quota_left": r.quota_left,
            }
            for r in overview.registries()
        },
    }


def _show(console: Console, overview: Overview) -> None:
    now = overview.now()
    tasks = _table("task", "state", "copied", "up to date", "failed", "open", "lag", "last good run")
    for task in overview.tasks():
        run = task.newest
        tasks.add_row(
            task.name,
            run.state if run else "never ran",
            *(
                str(number)
                for number in ((run.copied, run.up_to_date, run.failed, run.open) if run else ("", "", "", ""))
            ),
            _span(task.lag) if task.lag else "none",
            f"{_span(now - task.last_good)} ago" if task.last_good else "never",
        )
    console.print(tasks)
    console.print("\njobs: " + ", ".join(f"{number} {state}" for state, number in overview.states().items()) + "\n")
    workers = _table("worker", "running", "slots", "takes")
    for worker in overview.workers():
        takes = "nothing more (ends)" if worker.draining else ", ".join(worker.kinds)
        workers.add_row(worker.name, str(worker.running), str(worker.slots), takes)
    console.print(workers)
    registries = _table("registry", "transfers now", "in window", "paused for", "pulls left")
    for registry in overview.registries():
        registries.add_row(
            registry.name,
            f"{registry.using}" + (f" of {registry.max_concurrent}" if registry.max_concurrent else ""),
            f"{registry.started} of {registry.transfers}" if registry.transfers else "",
            _span(registry.paused) if registry.paused else "",
            "" if registry.quota_left is None else str(registry.quota_left),
        )
    console.print()
    console.print(registries)


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    return table


def _span(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
