"""`dregsy validate`: all errors of a config file."""

from __future__ import annotations

from pathlib import Path

import click

from dregsy_queue.cli import options
from dregsy_queue.config.load import ConfigError, LoadedConfig, load


def load_or_exit(path: Path) -> LoadedConfig:
    """The config, or all its errors on standard error and exit code 1. Warnings go to standard error too."""
    try:
        loaded = load(path)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        number = len(error.problems)
    else:
        for warning in loaded.warnings:
            click.echo(f"warning: {warning}", err=True)
        return loaded
    click.echo(f"{path}: {number} error{'s' if number != 1 else ''}; nothing was started", err=True)
    raise SystemExit(1)


@click.command(
    epilog="""\b
Examples:
  dregsy validate dregsy.yaml
"""
)
@options.config_file
def validate(config: Path) -> None:
    """Check a config file: every error with its line and key. Exit code 0 or 1."""
    loaded = load_or_exit(config)
    tasks = len(loaded.config.tasks)
    click.echo(f"{config}: good, " + (f"{tasks} task{'s' if tasks != 1 else ''}" if tasks else "but it has no tasks"))
