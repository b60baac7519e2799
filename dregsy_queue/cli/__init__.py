"""The `dregsy` command: one file per sub-command, and dregsy's own way of calling it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

import click

import dregsy_queue
from dregsy_queue.cli.go_flags import is_own_call, translate, unknown_flag
from dregsy_queue.cli.lazy import LazyGroup

_EPILOG = """\b
Examples:
  dregsy -config=dregsy.yaml                 as dregsy itself is called
  dregsy -config=dregsy.yaml -run='mirror-.*'
  dregsy sync dregsy.yaml --once --report outcome.json
  dregsy validate dregsy.yaml
  dregsy check dregsy.yaml                   does every login work?
  dregsy plan dregsy.yaml                    what would a sync do now?
  dregsy status --watch                      a cluster at a glance

\b
dregsy's own flags: -config=FILE, -run=REGEX, with one dash or two.
Commands for a cluster find its Redis by DREGSY_REDIS_URL or --redis; by
default it is redis://127.0.0.1:6379/0.
"""

_HERE = "dregsy_queue.cli"
_SECTIONS = {
    "One command, without a cluster": {
        "sync": (f"{_HERE}.sync", "Sync what a config file names; needs no server."),
        "validate": (f"{_HERE}.validate", "Check a config file: every error, with its line and key."),
        "check": (f"{_HERE}.check", "Try registries, logins, rights and relays; transfers nothing."),
        "plan": (f"{_HERE}.plan", "What would a sync do now, and why? Changes nothing."),
        "tags": (f"{_HERE}.tags", "Which tags of a repository do filters select? Counts after each."),
        "convert": (f"{_HERE}.convert", "The config of regsync or `skopeo sync` as one of ours."),
        "init": (f"{_HERE}.init", "Write a commented config to start from."),
    },
    "Look at a cluster": {
        "status": (f"{_HERE}.status", "Is the mirror fresh, and if not, why? Tasks, workers, registries."),
        "runs": (f"{_HERE}.history", "What ran: when, how long, how many images, and why some failed."),
        "jobs": (f"{_HERE}.history", "Every image of a run, and how it ended."),
        "health": (f"{_HERE}.health", "For probes: does a worker or scheduler live? Exit code 0 or 1."),
        "web": (f"{_HERE}.web", "Serve a page for browsers: tasks, failures, transfers, history."),
        "metrics": (f"{_HERE}.metrics", "Serve metrics of the whole cluster to Prometheus."),
    },
    "Act on a cluster": {
        "run": (f"{_HERE}.orders", "Run tasks now."),
        "retry": (f"{_HERE}.orders", "Do again what failed, and nothing else."),
        "cancel": (f"{_HERE}.orders", "End a run early."),
        "pause": (f"{_HERE}.orders", "Start nothing more of a task, or to and from a registry."),
        "resume": (f"{_HERE}.orders", "Take back a pause."),
        "forget": (f"{_HERE}.orders", "Forget all that is known of a task."),
    },
    "This command": {
        "completion": (f"{_HERE}.completion", "Completion for bash, zsh or fish."),
    },
}


@click.group(
    cls=LazyGroup,
    sections=_SECTIONS,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.version_option(dregsy_queue.__version__, prog_name="dregsy", message="%(prog)s %(version)s")
@click.pass_context
def group(context: click.Context) -> None:
    """Sync container images between registries, by dregsy's config file.

    `dregsy -config=FILE [-run=REGEX]` does everything in one command, without any server. On a cluster, run
    `celery -A dregsy_queue worker` and `celery -A dregsy_queue beat` instead.
    """
    if context.invoked_subcommand is None:
        click.echo("usage: dregsy -config=FILE [-run=REGEX]   (dregsy --help tells more)")
        context.exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point. Exit codes: 0 good, 1 something failed, 2 wrong usage of a sub-command, 130 and 143 after a signal.

    Called as dregsy is, it ends with 1 for wrong usage too.
    """
    # Imports create many objects and no garbage; collecting meanwhile costs a tenth of the start-up.
    gc.set_threshold(50_000, 20, 20)
    given = list(sys.argv[1:] if arguments is None else arguments)
    problem = unknown_flag(given)
    if problem:
        click.echo(f"Error: {problem}", err=True)
        sys.exit(1)
    try:
        group(translate(given), prog_name="dregsy")
    except ValueError as error:
        # Late: neither `--version` nor `--help` needs what settings need.
        from dregsy_queue.settings import SettingsError

        if not isinstance(error, SettingsError):
            raise
        click.echo(str(error), err=True)
        sys.exit(2)
    except SystemExit as ended:
        raise SystemExit(1 if ended.code == 2 and is_own_call(given) else ended.code) from None
