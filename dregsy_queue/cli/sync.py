"""`dregsy sync`: everything in one command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from dregsy_queue import logs
from dregsy_queue.cli import options
from dregsy_queue.cli.select import tasks_or_exit
from dregsy_queue.cli.validate import load_or_exit
from dregsy_queue.loading import loading


@click.command(
    epilog="""\b
Examples:
  dregsy sync dregsy.yaml
  dregsy sync dregsy.yaml --run 'mirror-.*' --once
  dregsy sync dregsy.yaml --once --report outcome.json --state state.json
"""
)
@options.config_file
@options.logging
@click.option("--run", default="", metavar="REGEX", help="Only tasks whose whole name matches; '!' in front inverts.")
@click.option("--once", is_flag=True, help="Run every selected task once, periodic ones too, then exit.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Worker processes; each runs 16 transfers at once, or 64 where all tasks use the relay direct.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    callback=lambda _, __, path: _writable(path),
    help="Write the outcome to this file as JSON; '-': to standard output.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=lambda _, __, path: _writable(path),
    help="Keep what was synced in this file, so that the next call asks registries for less.",
)
def sync(config: Path, run: str, once: bool, workers: int, report: Path | None, state: Path | None) -> None:
    """Sync the images of a config file. Needs no server.

    One-off tasks run once. With periodic tasks it keeps running until Ctrl-C or SIGTERM.
    """
    loaded = load_or_exit(config)
    tasks = tasks_or_exit(loaded, run)
    if not tasks:
        return
    if sys.stderr.isatty() and not any(task.verbose for task in tasks):
        # The display shows what goes well; lines are for what does not.
        os.environ.setdefault("LOG_LEVEL", "warn")
    logs.configure()
    # Late: reading and checking a config needs neither Celery nor rich.
    with loading():
        from dregsy_queue.embedded import session

    call = session.SyncCall(loaded, tasks, run, once=once, workers=workers, report=report, state=state)
    raise SystemExit(session.run(call))


def _writable(path: Path | None) -> Path | None:
    """Find out before the sync, not after it, that a file cannot be written."""
    if path is None or path == Path("-"):
        return path
    folder = path.absolute().parent
    if path.is_dir():
        raise click.BadParameter(f"'{path}' is a folder")
    if not folder.is_dir():
        raise click.BadParameter(f"there is no folder '{folder}'")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise click.BadParameter(f"'{path}' cannot be written")
    return path
