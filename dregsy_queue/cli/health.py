"""`dregsy health`: for probes."""

from __future__ import annotations

import socket
from pathlib import Path

import click
from redis import RedisError

from dregsy_queue import settings
from dregsy_queue.cli import options

_FIRST_PROCESS = Path("/proc/1/cmdline")


@click.command(
    epilog="""\b
Examples:
  dregsy health                 is there a Redis, and a worker anywhere?
  dregsy health worker          does the worker of this host (container) live?
  dregsy health scheduler       leading or standing by
  dregsy health container       whatever role this container has
"""
)
@click.argument("role", required=False, type=click.Choice(["scheduler", "worker", "container"]))
@click.option("--host", default=socket.gethostname(), help="Host that the role runs on; by default this one.")
@click.option("--liveness", is_flag=True, help="Exit with 0 also while Redis is away, as a restart would not help.")
@options.cluster
def health(role: str | None, host: str, liveness: bool) -> None:
    """Health check for probes: is a worker, or the role of this host, alive? One line; exit code 0 (alive) or 1."""
    from dregsy_queue.cli.connected import trouble
    from dregsy_queue.ledger.connection import connect
    from dregsy_queue.ledger.overview import Overview

    if role == "container":
        try:
            role = _role_of_container()
        except OSError as error:
            click.echo(f"unhealthy: the role of this container is unknown ({error}); name it: worker or scheduler")
            raise SystemExit(1) from None
        if role is None:
            click.echo("healthy: this container has no lasting role")
            return
    try:
        overview = Overview(connect(settings.from_environment().redis_url, patient=False))
        overview.now()
        if role == "worker":
            good = bool(overview.live_workers_of(host))
        elif role == "scheduler":
            good = overview.scheduler_lives(host)
        else:
            good, role = bool(overview.workers()), "worker"
            host = "any host"
    except (RedisError, OSError) as error:
        click.echo(f"{'healthy, as far as one can tell' if liveness else 'unhealthy'}: {trouble(error)}")
        raise SystemExit(0 if liveness else 1) from None
    click.echo(f"{'healthy' if good else 'unhealthy'}: {'a' if good else 'no'} {role} of {host} is alive")
    raise SystemExit(0 if good else 1)


def _role_of_container() -> str | None:
    """The role by the command line of the container's first process; None for one without a mark of life.

    Raises: OSError where processes of others are hidden (proc(5), ``hidepid``).
    """
    words = _FIRST_PROCESS.read_bytes().decode(errors="replace").split("\0")
    if "celery" not in words:
        return None
    return "worker" if "worker" in words else "scheduler" if "beat" in words else None
