"""Which tasks of a config is a call about? The same for every command with `--run`."""

from __future__ import annotations

import click

from dregsy_queue.cli.lazy import did_you_mean
from dregsy_queue.config.load import LoadedConfig
from dregsy_queue.config.models import SyncTask
from dregsy_queue.config.selection import select_tasks
from dregsy_queue.terminal import printable


def tasks_or_exit(loaded: LoadedConfig, run: str) -> list[SyncTask]:
    """Tasks whose whole name matches `run`; none only when the config has none.

    Raises: BadParameter when `run` is no expression, ClickException when it selects nothing.
    """
    try:
        tasks = select_tasks(loaded.config, run)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--run") from None
    if not loaded.config.tasks:
        click.echo(f"{loaded.path} has no tasks: there is nothing to do", err=True)
    elif not tasks:
        raise click.ClickException(_no_match(run, [task.name for task in loaded.config.tasks]))
    return tasks


def _no_match(run: str, names: list[str]) -> str:
    """What a filter that selects no task should have been."""
    shown = ", ".join(printable(name) for name in names[:10]) + (", …" if len(names) > 10 else "")
    return f"no task to run: none matches --run '{printable(run)}'.{did_you_mean(run, names)} There are: {shown}"
