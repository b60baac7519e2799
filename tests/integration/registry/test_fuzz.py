"""A few odd registries by chance, against skopeo; `make fuzz-registries` tries more."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz_registries import differences
from tests.lab.odd.scenarios import scenario


def test_what_skopeo_copies_we_copy(tmp_path: Path) -> None:
    found, numbers = differences([scenario(seed) for seed in range(1, 9)], tmp_path)
    assert not found, "\n".join(found)
    assert "skopeo itself copies 0" not in numbers, "the scenarios are too hard to tell anything"
