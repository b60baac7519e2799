"""The `dregsy` command: one file per sub-command, and dregsy's own way of calling it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

import dregsy_queue
from dregsy_queue.cli.go_flags import is_own_call, translate
from dregsy_queue.cli.health import health
from dregsy_queue.cli.metrics import metrics
from dregsy_queue.cli.status import status
from dregsy_queue.cli.sync import sync
from dregsy_queue.cli.validate import validate
from dregsy_queue.settings import SettingsError

_EPILOG = """\b
Examples:
  dregsy -config=dregsy.yaml                 as dregsy itself is called
  dregsy -config=dregsy.yaml -run='mirror-.*'
  dregsy sync -c dregsy.yaml --once --report outcome.json
  dregsy validate -c dregsy.yaml
  dregsy status --watch                      a cluster at a glance
"""


@click.group(
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(dregsy_queue.__version__, prog_name="dregsy_queue")
@click.pass_context
def group(context: click.Context) -> None:
    """Sync container images between registries, by dregsy's config file.

    `dregsy -config=FILE [-run=REGEX]` does everything in one command, without any server. On a cluster, run
    `celery -A dregsy_queue worker` and `celery -A dregsy_queue beat` instead.
    """
    if context.invoked_subcommand is None:
        click.echo("usage: dregsy -config=FILE [-run=REGEX]   (dregsy --help tells more)")
        context.exit(1)


for command in (sync, validate, status, health, metrics):
    group.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit codes: 0 good, 1 something failed, 2 wrong usage of a sub-command, 130 and 143 after a signal.

    Called as dregsy is, it ends with 1 for wrong usage too.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        group(translate(given), prog_name="dregsy")
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except SystemExit as ended:
        raise SystemExit(1 if ended.code == 2 and is_own_call(given) else ended.code) from None
