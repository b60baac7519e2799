"""`dregsy check`: are registries, logins, rights and relays as the config needs them?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import click
from rich.text import Text

from dregsy_queue import settings
from dregsy_queue.access import relays
from dregsy_queue.access.check import RegistryReport
from dregsy_queue.access.check import check as look
from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.access.diagnosis import Finding, Step
from dregsy_queue.access.relays import RelayFinding
from dregsy_queue.cli import options
from dregsy_queue.cli.select import tasks_or_exit
from dregsy_queue.cli.validate import load_or_exit
from dregsy_queue.config import secrets
from dregsy_queue.config.models import Config, SyncTask
from dregsy_queue.ledger.advice import advice
from dregsy_queue.redact import scrub
from dregsy_queue.registry.throttle import NoPacing
from dregsy_queue.terminal import clean, lines, table, write

_STEPS: tuple[Step, ...] = get_args(Step)


@click.command(
    epilog="""\b
Examples:
  dregsy check dregsy.yaml
  dregsy check dregsy.yaml --run 'mirror-.*' --json
"""
)
@options.config_file
@click.option("--run", default="", metavar="REGEX", help="Only tasks whose whole name matches; '!' in front inverts.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check(config: Path, run: str, as_json: bool) -> None:
    """Test registries, certificates, logins, lists, push permission, and relays. Exit code 0 or 1.

    Nothing is transferred. At each target an upload is opened and cancelled.
    """
    loaded = load_or_exit(config)
    tasks = tasks_or_exit(loaded, run)
    secrets.keep_out_of_texts(loaded.config)
    registries, found = asyncio.run(_look(loaded.config.model_copy(update={"tasks": tasks}), tasks))
    good = all(report.good for report in registries) and not any(relay.problem for relay in found)
    if as_json:
        click.echo(json.dumps(_as_dict(good, registries, found), indent=2, ensure_ascii=False))
    else:
        _show(registries, found)
    raise SystemExit(0 if good else 1)


async def _look(config: Config, tasks: Sequence[SyncTask]) -> tuple[list[RegistryReport], list[RelayFinding]]:
    access = RegistryAccess(config, NoPacing())
    try:
        return await look(config, tasks, access), await relays.look(config, settings.from_environment())
    finally:
        await access.aclose()


def _as_dict(good: bool, registries: list[RegistryReport], found: list[RelayFinding]) -> dict[str, Any]:
    return {
        "ok": good,
        "registries": [
            {
                "registry": report.registry,
                "user": report.user,
                "source_of": list(report.source_of),
                "target_of": list(report.target_of),
                "ok": report.good,
                "checks": [
                    {**asdict(finding), "text": scrub(finding.text), "ok": finding.good} for finding in report.findings
                ],
            }
            for report in registries
        ],
        "relays": [
            {
                "relay": relay.relay,
                "ok": not relay.problem,
                "reason": relay.reason,
                "text": relay.problem,
                "advice": advice(relay.problem) if relay.problem else "",
            }
            for relay in found
        ],
    }


def _show(registries: list[RegistryReport], found: list[RelayFinding]) -> None:
    rows: list[Sequence[str | Text]] = []
    for report in registries:
        cells = (_cell([finding for finding in report.findings if finding.step == step]) for step in _STEPS)
        rows.append((report.registry, report.user or "nobody", *cells))
    rows += [
        (f"relay {relay.relay}", "", Text("FAILED", "red") if relay.problem else Text("OK", "green")) for relay in found
    ]
    headers = ("registry", "as", *_STEPS)
    write([table(headers, rows, left=range(len(headers)), folds=(0, 1))])
    for report in registries:
        for finding in report.findings:
            if not finding.good:
                write(_problem(report.registry, finding.reason, scrub(finding.text), finding.advice))
    for relay in found:
        if relay.problem:
            write(_problem(f"relay {relay.relay}", relay.reason, relay.problem, advice(relay.problem)))


def _cell(findings: list[Finding]) -> Text:
    bad = sum(not finding.good for finding in findings)
    if not findings:
        return Text("-")
    if not bad:
        return Text("OK", "green")
    return Text("FAILED" if len(findings) == 1 else f"{bad}/{len(findings)} FAILED", "red")


def _problem(where: str, reason: str, text: str, advice: str) -> Iterator[Text]:
    yield Text()
    yield from lines(f"{where}: {reason}", style="bold red")
    yield from lines(clean(text.removeprefix(f"{where}: ")))
    if advice:
        yield from lines(f"→ {advice}")
