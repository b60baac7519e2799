"""`dregsy metrics`: the Prometheus exporter of the cluster."""

from __future__ import annotations

import click

from dregsy_queue import logs, settings
from dregsy_queue.cli import options


@click.command(
    epilog="""\b
Examples:
  dregsy metrics
  DREGSY_REDIS_URL=redis://redis:6379/0 dregsy metrics --port 9464
"""
)
@click.option("--port", default=9464, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--address", default="0.0.0.0", show_default=True, help="Address to listen on.")  # noqa: S104
@options.cluster
@options.logging
def metrics(port: int, address: str) -> None:
    """Serve the metrics of the cluster at /metrics, read from Redis at each scrape. One instance is enough."""
    from dregsy_queue.ledger.connection import connect
    from dregsy_queue.ledger.overview import Overview
    from dregsy_queue.serve.server import serve

    logs.configure()
    try:
        thread = serve(Overview(connect(settings.from_environment().redis_url, patient=False)), port, address)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {address}:{port}: {error.strerror}") from None
    click.echo(f"metrics of the cluster at http://{address}:{port}/metrics", err=True)
    thread.join()
