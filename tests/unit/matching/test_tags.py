"""Tag sets: the tables of what is selected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.matching.tags import TagItem, TagSet

BUSYBOX = "1.31.0 1.31.1 1.31.1-glibc 1.31.1-musl 1.31.9 1.36.0 v1.35.2 latest glibc stable-musl"
MIXED = "latest 1.0.0 1.2.3 v1.2.3 1.2.3-alpine 1.2 1.10.0 2.0.0-rc1 2.0.0 2.0.0_b edge v2.1 glibc"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def select(items: list[str], tags: str) -> set[str]:
    selected = [str(item) for item in TagSet.parse(items).select(tags.split())]
    assert len(selected) == len(set(selected))
    assert selected == sorted(selected)
    return set(selected)


@pytest.mark.parametrize(
    ("items", "tags", "expected"),
    [
        (["semver: >=1.31.0 <1.31.9"], BUSYBOX, "1.31.0 1.31.1 1.31.1-glibc 1.31.1-musl"),
        (["semver: >=1.31.0 <1.31.9", "keep: .+(glibc|musl)"], BUSYBOX, "1.31.1-glibc 1.31.1-musl"),
        (["regex: !.+(glibc|musl)"], BUSYBOX, "1.31.0 1.31.1 1.31.9 1.36.0 v1.35.2 latest glibc"),
        (["glibc", "semver: >=1.31.0 <=1.36.0", "keep: latest 2"], BUSYBOX, "1.36.0 glibc v1.35.2"),
        (["keep: latest 1"], BUSYBOX, "1.36.0 glibc latest stable-musl"),
        ([], MIXED, MIXED),
        (["z", "b", "a"], "", "a b z"),
        (["latest", "latest"], "", "latest"),
        (["latest", "regex:latest"], MIXED, "latest"),
        (["semver: >=1.2.0"], MIXED, "1.10.0 1.2 1.2.3 1.2.3-alpine 2.0.0 2.0.0-rc1 v1.2.3 v2.1"),
        (["semver: <2.0.0"], MIXED, "1.0.0 1.10.0 1.2 1.2.3 1.2.3-alpine 2.0.0-rc1 v1.2.3"),
        (["semver: =1.0.0", "semver: >=2.0.0"], MIXED, "1.0.0 2.0.0 v2.1"),
        ([r"regex: 1\..*"], MIXED, "1.0.0 1.10.0 1.2 1.2.3 1.2.3-alpine"),
        ([r"regex: !1\..*"], MIXED, "2.0.0 2.0.0_b 2.0.0-rc1 edge glibc latest v1.2.3 v2.1"),
        (["regex: late"], MIXED, ""),
        (["regex:"], MIXED, ""),
        (["regex: latest|edge"], MIXED + " latest-1 x-edge", "latest edge"),
        (["keep: 1.+"], MIXED, "1.0.0 1.10.0 1.2 1.2.3 1.2.3-alpine"),
        (["keep: 1.+", "latest"], MIXED, "latest"),
        (["keep: 1.+", "keep: .*alpine"], MIXED, "1.2.3-alpine"),
        (["semver: >=1.0.0", "keep: !.*(alpine|rc).*"], MIXED, "1.0.0 1.10.0 1.2 1.2.3 2.0.0 v1.2.3 v2.1"),
        (["keep: latest 2"], MIXED, "edge glibc latest v2.1 2.0.0 2.0.0_b"),
        (["semver: >=1.0.0", "keep: latest 2"], MIXED, "v2.1 2.0.0"),
        (["latest", "1.0.0", "1.2.3", "2.0.0", "3.0.0", "keep: latest 2"], "", "2.0.0 3.0.0 latest"),
        (["keep: latest 2"], "a c b d", "c d"),
        (["keep: latest 0"], MIXED, MIXED),
        (["keep: latest 99"], MIXED, MIXED),
        (["keep: latest 9", "keep:   latest    1"], "1.0.0 2.0.0", "2.0.0"),
        (["keep:latest 2"], MIXED, ""),
        ([A, f"1.0@{B}", "keep: all.+"], "", f"{A} 1.0@{B}"),
        ([A, f"1.0.0@{B}", "1.1.0", "keep: latest 1"], "", f"{A} 1.0.0@{B} 1.1.0"),
    ],
)
def test_selection(items: list[str], tags: str, expected: str) -> None:
    assert select(items, tags) == set(expected.split())


@pytest.mark.parametrize(
    ("items", "needed"),
    [([], True), (["a"], False), (["keep: a"], True), (["a", "keep: b"], False), (["a", "regex: b"], True)]
    + [(["semver: >1.0.0"], True), ([A], False)],
)
def test_tags_are_listed_only_when_needed(items: list[str], needed: bool) -> None:
    assert TagSet.parse(items).needs_listing is needed


@pytest.mark.parametrize(
    "item",
    [
        "semver:",
        "semver: foo",
        "regex: (",
        "keep: (?=a)",
        "",
        "a b",
        "-a",
        "a" * 129,
        "sha256:abc",
        "a@sha256:xyz",
    ]
    + ["Semver: >1.0.0", "b a@" + A],
)
def test_a_bad_item_is_named(item: str) -> None:
    with pytest.raises(ValueError) as caught:
        TagSet.parse(["good", item])
    assert f"tag '{item}'" in str(caught.value) and "\n" not in str(caught.value)


def test_a_digest_has_its_own_form() -> None:
    assert TagItem.parse(f"v1@{A}") == TagItem("v1", A)
    assert TagItem.parse(A) == TagItem(None, A)


tags = st.lists(st.from_regex(r"[a-z0-9_][a-z0-9._-]{0,8}", fullmatch=True), max_size=20)


@given(tags, st.integers(1, 5))
def test_latest_keeps_the_highest_and_every_tag_that_is_no_version(listed: list[str], count: int) -> None:
    everything, limited = TagSet.parse([]), TagSet.parse([f"keep: latest {count}"])
    assert set(limited.select(listed)) <= set(everything.select(listed))
    assert limited.select(listed) == limited.select(reversed(listed))
    assert limited.select([*listed, "9.9.9"])[-1:] or True
    assert "99999.0.0" in {item.tag for item in limited.select([*listed, "99999.0.0"])}
