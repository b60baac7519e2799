"""Every table of kinds by whole syncs: one call of the product for each relay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.registry.kinds import digests, heads, lists, manifests, permanent, places, signing_in, wire
from tests.lab.odd.case import Case, Played, play, stop

TABLES = (heads, signing_in, places, lists, manifests, digests, permanent, wire)
RELAYS = ("skopeo", "direct")


def _cases() -> list[Case]:
    return [case for table in TABLES for case in table.cases()]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Played]]:
    found: dict[tuple[str, str], Played] = {}
    for relay in RELAYS:
        folder: Path = tmp_path_factory.mktemp(relay)
        by_name, outcome = play(folder, _cases(), relay)
        (folder / "stderr").write_text(outcome.stderr)
        print(folder / "stderr")
        assert "Traceback" not in outcome.stderr
        found |= {(relay, name): one for name, one in by_name.items()}
    yield found
    stop(found.values())


@pytest.mark.xdist_group("kinds")
@pytest.mark.parametrize("relay", RELAYS)
@pytest.mark.parametrize("name", [case.name for case in _cases()])
def test_kind(name: str, relay: str, played: dict[tuple[str, str], Played]) -> None:
    if (relay, name) not in played:
        pytest.skip("for the other relay")
    played[relay, name].verify()
