"""`dregsy status`: is the mirror fresh, and if not, why?"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence

import click
from redis import RedisError

from dregsy_queue import settings
from dregsy_queue.cli import options, status_json, status_text
from dregsy_queue.cli.connected import Refused, connected, trouble
from dregsy_queue.cli.interrupts import as_exceptions
from dregsy_queue.cli.lazy import did_you_mean
from dregsy_queue.ledger import situation
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.terminal import clean, console, write

#: Seconds between two looks of `--watch`.
PAUSE = 2.0


@click.command(
    epilog="""\b
Examples:
  dregsy status
  dregsy status mirror             one task: its images, why they fail
  dregsy status --watch
  dregsy status --check            exit code 1 when something is wrong
  dregsy status --json | jq '.tasks.mirror.failed'
"""
)
@click.argument("task", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON; tasks as in the report of `dregsy sync`.")
@click.option("--watch", is_flag=True, help="Redraw every two seconds until Ctrl-C.")
@click.option("--check", is_flag=True, help="Exit with 1 when something is wrong, with that task or anywhere.")
@options.cluster
def status(task: str | None, as_json: bool, watch: bool, check: bool) -> None:
    """Show a verdict, tasks and why they fail, what runs, what waits and for what, workers, schedulers, registries."""

    def look(connection: Connection) -> tuple[Sequence[object], bool]:
        found = situation.read(connection, settings.stale_after())
        names = [known.name for known in found.tasks]
        if task is not None and task not in names:
            raise Refused(f"there is no task '{clean(task)}'.{clean(did_you_mean(task, names))}")
        good = found.verdict.good
        if task is not None:
            good = task not in found.failures and not situation.in_the_way_of(task, found)
        if as_json:
            document = status_json.document(connection, found, task)
            return [json.dumps(document, indent=None if watch else 2, ensure_ascii=False)], good
        shown = status_text.task(connection, found, task) if task is not None else status_text.cluster(found)
        return list(shown), good

    with connected() as connection:
        if watch:
            _watch(lambda: look(connection)[0], as_json=as_json)
            return
        shown, good = look(connection)
    if as_json:
        click.echo(shown[0])
    else:
        write(shown)
    raise SystemExit(1 if check and not good else 0)


def _watch(look: Callable[[], Sequence[object]], *, as_json: bool) -> None:
    """Show it again and again: in place on a terminal, one JSON document a line with `as_json`."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    target = console()
    # The screen is to be given back, and Ctrl-C is how this is meant to end.
    with contextlib.suppress(KeyboardInterrupt), as_exceptions():
        if as_json or not target.is_terminal:
            while True:
                for part in look():
                    click.echo(part) if as_json else write([part])
                time.sleep(PAUSE)
        with Live(console=target, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                try:
                    shown = look()
                except (RedisError, OSError) as error:
                    shown = [Text(trouble(error), style="red")]
                stamp = Text(f"{time.strftime('%H:%M:%S')}  every {PAUSE:.0f} s, Ctrl-C ends", style="dim")
                live.update(Group(stamp, *shown), refresh=True)  # type: ignore[arg-type]
                time.sleep(PAUSE)
