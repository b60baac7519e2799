"""References that are made from the code are as the code makes them now."""

from __future__ import annotations

import pytest

from docs.generate.pages import PAGES, REFERENCE


@pytest.mark.parametrize("name", PAGES)
def test_reference_is_fresh(name: str) -> None:
    assert (REFERENCE / name).read_text() == PAGES[name](), "run: make reference"
