"""Every table of kinds by whole syncs with both relays, all in one call of the product."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.integration.registry.kinds import (
    digests,
    heads,
    lists,
    machine,
    manifests,
    permanent,
    places,
    preserving,
    signing_in,
    uploads,
    waits,
    wire,
)
from tests.lab.odd.case import Case, Run, play, stop

TABLES = (heads, signing_in, machine, waits, places, lists, manifests, preserving, digests, uploads, permanent, wire)
RELAYS = ("skopeo", "direct")
Key = tuple[str, str, str]

# One call plays hundreds of cases before the first test begins: on a busy machine it takes minutes.
pytestmark = [pytest.mark.xdist_group("kinds"), pytest.mark.timeout(1200)]


def _name(table: ModuleType) -> str:
    return table.__name__.rpartition(".")[2]


def _all() -> list[Key]:
    """Relay, table and name of every case."""
    return [
        (relay, _name(table), case.name)
        for relay in RELAYS
        for table in TABLES
        for case in table.cases()
        if case.relay in ("", relay)
    ]


def _play(folder: Path, *tables: ModuleType) -> Run:
    return play(folder, {relay: _cases(tables) for relay in RELAYS})


def _cases(tables: tuple[ModuleType, ...]) -> list[Case]:
    return [case for table in tables for case in table.cases()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """The run that played each table: the same for all, unless something is wrong with it. Then each table is played
    alone, so that the others still tell something."""
    folder = tmp_path_factory.mktemp("kinds")
    whole = _play(folder / "all", *TABLES)
    found = {_name(table): whole for table in TABLES}
    if whole.problem:
        stop(whole.played.values())
        found = {_name(table): _play(folder / _name(table), table) for table in TABLES}
        found["all"] = whole
    yield found
    for run in found.values():
        stop(run.played.values())


def test_no_call_fails_as_a_whole(runs: dict[str, Run]) -> None:
    assert not {name: run.problem for name, run in runs.items() if run.problem}


@pytest.mark.parametrize(("relay", "table", "name"), _all())
def test_kind(relay: str, table: str, name: str, runs: dict[str, Run]) -> None:
    run = runs[table]
    assert run.outcome.report, run.problem
    run.played[relay, name].verify()
