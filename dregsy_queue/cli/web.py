"""`dregsy web`: the page."""

from __future__ import annotations

import ipaddress

import click

from dregsy_queue import logs, redact, settings
from dregsy_queue.cli import options


@click.command(
    epilog="""\b
Examples:
  dregsy web
  DREGSY_WEB_TOKEN_FILE=/run/secrets/page dregsy web --port 8080

\b
Orders (run, retry, cancel, pause, resume) need the token in DREGSY_WEB_TOKEN,
or in the file that DREGSY_WEB_TOKEN_FILE names; without one the page is read-only.
"""
)
@options.cluster
@click.option("--port", default=8480, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Address to listen on.")
def web(port: int, address: str) -> None:
    """Serve a web page: tasks with lag and reasons, what runs, registries, history.

    One instance is enough. The page works without scripts.
    """
    from dregsy_queue.ledger.connection import connect
    from dregsy_queue.serve.page.server import serve

    logs.configure()
    token = settings.value_or_file("DREGSY_WEB_TOKEN")
    redact.hide(token)
    shown = f"[{address}]" if ":" in address else address
    if not _is_loopback(address):
        click.echo(
            "warning: anybody who reaches this address can read the page: put a proxy with a login before it", err=True
        )
    try:
        serve(
            connect(settings.from_environment().redis_url),
            token,
            address,
            port,
            lambda: click.echo(f"the page is at http://{shown}:{port}/", err=True),
            stale_after=settings.stale_after(),
        )
    except OSError as error:
        raise click.ClickException(f"cannot listen on {address}:{port}: {error.strerror}") from None


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
