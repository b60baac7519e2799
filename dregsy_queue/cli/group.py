"""The `dregsy` command, and what each sub-command is good for."""

from __future__ import annotations

import click

import dregsy_queue
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
        "sync": (f"{_HERE}.sync", "Sync the images of a config file; needs no server."),
        "validate": (f"{_HERE}.validate", "Check a config file: every error with its line and key."),
        "check": (f"{_HERE}.check", "Test registries, logins, permissions and relays; transfers nothing."),
        "plan": (f"{_HERE}.plan", "Show what a sync would do now, and why; changes nothing."),
        "tags": (f"{_HERE}.tags", "List the tags that filters select, with a count after each filter."),
        "convert": (f"{_HERE}.convert", "Convert a config of regsync or `skopeo sync`."),
        "init": (f"{_HERE}.init", "Write a commented starter config."),
    },
    "Look at a cluster": {
        "status": (f"{_HERE}.status", "Is the mirror up to date, and if not, why? Tasks, workers, registries."),
        "runs": (f"{_HERE}.history", "List runs: when, how long, how many images, and why some failed."),
        "jobs": (f"{_HERE}.history", "List the images of a run, and how each ended."),
        "health": (f"{_HERE}.health", "Health check for probes: is a worker or scheduler alive?"),
        "web": (f"{_HERE}.web", "Serve a web page: tasks, failures, transfers, history."),
        "metrics": (f"{_HERE}.metrics", "Serve the metrics of the cluster to Prometheus."),
    },
    "Act on a cluster": {
        "run": (f"{_HERE}.orders", "Run tasks now."),
        "retry": (f"{_HERE}.orders", "Retry what failed, and nothing else."),
        "cancel": (f"{_HERE}.orders", "Cancel a run."),
        "pause": (f"{_HERE}.orders", "Pause a task or a registry: nothing more starts."),
        "resume": (f"{_HERE}.orders", "Resume a task or a registry."),
        "forget": (f"{_HERE}.orders", "Delete what Redis and the metrics know of a task."),
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
    """Sync container images between registries, as a dregsy config file says.

    `dregsy -config=FILE [-run=REGEX]` does everything in one command, without any server. On a cluster, run
    `celery -A dregsy_queue worker` and `celery -A dregsy_queue beat` instead.
    """
    if context.invoked_subcommand is None:
        click.echo("usage: dregsy -config=FILE [-run=REGEX]   (more: dregsy --help)")
        context.exit(1)
