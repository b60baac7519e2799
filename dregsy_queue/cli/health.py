"""`dregsy health`: for probes."""

from __future__ import annotations

import socket

import click
from redis import RedisError

from dregsy_queue import settings


@click.command(
    epilog="""\b
Examples:
  dregsy health                 is there a Redis, a scheduler anywhere, a worker anywhere?
  dregsy health worker          does the worker of this host (container) live?
  dregsy health scheduler
"""
)
@click.argument("role", required=False, type=click.Choice(["scheduler", "worker"]))
@click.option("--host", default=socket.gethostname(), help="Host that the role runs on; by default this one.")
def health(role: str | None, host: str) -> None:
    """One line, and exit code 0 (good) or 1."""
    from dregsy_queue.coordination.connection import connect
    from dregsy_queue.coordination.overview import Overview

    try:
        overview = Overview(connect(settings.from_environment().redis_url))
        overview.now()
        if role == "worker":
            good = bool(overview.live_workers_of(host))
        elif role == "scheduler":
            good = overview.scheduler_lives(host)
        else:
            good, role = bool(overview.workers()), "worker"
            host = "any host"
    except (RedisError, OSError) as error:
        click.echo(f"unhealthy: Redis does not answer: {error}")
        raise SystemExit(1) from None
    click.echo(f"{'healthy' if good else 'unhealthy'}: {'a' if good else 'no'} {role} of {host} is alive")
    raise SystemExit(0 if good else 1)
