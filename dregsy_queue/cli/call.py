"""One call of `dregsy`, from its arguments to its exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from dregsy_queue.cli.go_flags import is_own_call, translate, unknown_flag
from dregsy_queue.cli.group import group
from dregsy_queue.cli.streams import drop_output, is_output_error, open_what_is_closed, write_what_cannot_be_encoded


def call(given: Sequence[str]) -> None:
    """Do what these arguments say; ends in SystemExit where the exit code is not 0."""
    open_what_is_closed()
    write_what_cannot_be_encoded()
    problem = unknown_flag(given)
    if problem:
        click.echo(f"Error: {problem}", err=True)
        sys.exit(1)
    try:
        _invoke(given)
    except ValueError as error:
        # Late: neither `--version` nor `--help` needs what settings need.
        from dregsy_queue.settings import SettingsError

        if not isinstance(error, SettingsError):
            raise
        click.echo(str(error), err=True)
        sys.exit(2)
    except OSError as error:
        if not is_output_error(error):
            raise
        drop_output()
        click.echo(f"Error: the output cannot be written: {error.strerror}", err=True)
        sys.exit(1)
    except SystemExit as ended:
        raise SystemExit(1 if ended.code == 2 and is_own_call(given) else ended.code) from None


def _invoke(arguments: Sequence[str]) -> None:
    try:
        group(translate(arguments), prog_name="dregsy")
    finally:
        # Here, not when the process ends: a full disk is an error with words.
        sys.stdout.flush()
