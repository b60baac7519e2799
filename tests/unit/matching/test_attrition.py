"""Counting what each filter leaves: the last count is always what the filters select."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.matching.attrition import attrition
from dregsy_queue.matching.tags import TagSet

_TAGS = ["1.0.0", "1.1.0", "1.2.0", "2.0.0-rc.1", "2.0.0", "edge", "latest"]


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([], "7 tags"),
        (["semver: >=1.1.0"], "7 tags, semver: >=1.1.0 → 4"),
        (["semver: >=1.1.0", "keep: latest 2"], "7 tags, semver: >=1.1.0 → 4, keep: latest 2 → 2"),
        (
            ["regex: e.*", "semver: <1.1.0", "nightly", "keep: !edge"],
            "7 tags, regex: e.* → 1, semver: <1.1.0 → 1, nightly → 1, together → 3, keep: !edge → 2",
        ),
        (["latest", "edge"], "2 named → 2"),
        (["keep: latest 1", "keep: .*[0-9]"], "7 tags, keep: .*[0-9] → 5, keep: latest 1 → 1"),
    ],
)
def test_steps(items: list[str], text: str) -> None:
    assert str(attrition(items, _TAGS)) == text


_ITEMS = st.sampled_from(
    ["semver: >=1.1.0", "regex: .*0", "latest", "gone", "keep: !1.*", "keep: .*[0-9].*", "keep: latest 2", "edge"]
)


@given(items=st.lists(_ITEMS, max_size=6), tags=st.lists(st.sampled_from(_TAGS), unique=True))
def test_the_last_step_is_the_selection(items: list[str], tags: list[str]) -> None:
    found = attrition(items, tags)
    assert list(found.selected) == TagSet.parse(items).select(tags)
    if found.steps:
        assert found.steps[-1].left == len(found.selected)
