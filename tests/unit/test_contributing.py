"""CONTRIBUTING's map and walks are true to the tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
PATHS = re.findall(r"`((?:dregsy_queue|workers|tests)/[\w./]+)`", TEXT.replace("workers/relays/NAME/", ""))
#: a file, and something that stands in it
PLACES = re.findall(r"`((?:dregsy_queue|workers)/[\w./]+\.(?:py|lua))`, `(\w+)`", TEXT)


@pytest.mark.parametrize("path", sorted(set(PATHS)))
def test_every_path_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(("path", "name"), PLACES)
def test_every_place_of_a_walk_is_there(path: str, name: str) -> None:
    text = (ROOT / path).read_text()
    assert re.search(rf"(?:def|class|local function) {name}\b|^{name} = ", text, re.MULTILINE)


def test_a_walk_has_at_most_eight_steps() -> None:
    walks = TEXT.partition("## Five walks")[2].partition("\n## ")[0].split("\n**")[1:]
    assert len(walks) == 5
    assert all(4 <= len(re.findall(r"^\d+\. ", walk, re.MULTILINE)) <= 8 for walk in walks)


def test_every_folder_is_on_the_map() -> None:
    table = TEXT.partition("## The map")[2].partition("\n## ")[0]
    for package in ("dregsy_queue", "workers"):
        for folder in (ROOT / package).iterdir():
            if (folder / "__init__.py").exists():
                assert f"`{package}/{folder.name}/`" in table
