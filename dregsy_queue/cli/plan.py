"""`dregsy plan`: what would a sync do now, and why?"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

import click
from redis import RedisError
from rich.console import Console

from dregsy_queue import settings
from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.access.local_pacer import LocalPacer
from dregsy_queue.cli import options
from dregsy_queue.cli.connected import trouble
from dregsy_queue.cli.plan_text import as_list, show
from dregsy_queue.cli.select import tasks_or_exit
from dregsy_queue.cli.validate import load_or_exit
from dregsy_queue.config import secrets
from dregsy_queue.config.models import Config, SyncTask
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.jobs import SyncRecord
from dregsy_queue.ledger.records import Records
from dregsy_queue.planning.preview import LookUp, Preview, preview


@click.command(
    epilog="""\b
Examples:
  dregsy plan dregsy.yaml
  dregsy plan dregsy.yaml --run 'mirror-.*' --sizes
  dregsy plan dregsy.yaml --exit-code --json | jq '.[] | select(.action == "copy")'
"""
)
@options.config_file
@options.cluster
@click.option("--run", default="", metavar="REGEX", help="Only tasks whose whole name matches; '!' in front inverts.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: a list of images.")
@click.option("--exit-code", "exit_code", is_flag=True, help="Exit with 2 when something is to be copied.")
@click.option("--sizes", is_flag=True, help="Show bytes, too. This reads manifests, which registries count as pulls.")
def plan(config: Path, run: str, as_json: bool, exit_code: bool, sizes: bool) -> None:
    """Show what a sync would do now, and why. Changes nothing. Needs no server and no relay.

    Exit code 0, or 1 when something cannot be planned. With --redis or DREGSY_REDIS_URL, the cluster's records of
    earlier syncs show whether the source has changed or somebody else has changed the target.
    """
    loaded = load_or_exit(config)
    tasks = tasks_or_exit(loaded, run)
    secrets.keep_out_of_texts(loaded.config)
    found = asyncio.run(_plan(loaded.config, tasks, _look_up(), sizes))
    if as_json:
        click.echo(json.dumps(as_list(found.rows, sizes=sizes), indent=2, ensure_ascii=False))
    else:
        show(Console(), found, sizes=sizes)
    if any(row.error for row in found.rows):
        raise SystemExit(1)
    if exit_code and any(row.action == "copy" for row in found.rows):
        raise SystemExit(2)


async def _plan(config: Config, tasks: Sequence[SyncTask], look_up: LookUp, sizes: bool) -> Preview:
    pacer = LocalPacer(config)
    access = RegistryAccess(config, pacer)
    try:
        return await preview(config, tasks, access, pacer, look_up, sizes=sizes)
    finally:
        await access.aclose()


def _look_up() -> LookUp:
    """Records of earlier syncs, where a cluster is named and answers."""
    if not os.environ.get("DREGSY_REDIS_URL"):
        return lambda _, targets: [None] * len(targets)
    connection = connect(settings.from_environment().redis_url)
    records = Records(connection)

    def look(task: str, targets: Sequence[str]) -> list[SyncRecord | None]:
        try:
            return records.look_up_with_age(task, targets)
        except (RedisError, OSError) as error:
            raise click.ClickException(f"{trouble(error)}; without --redis the plan needs none") from None

    return look
