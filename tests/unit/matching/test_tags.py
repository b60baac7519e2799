"""Tag sets: what is selected. The vectors come from dregsy, with our rules where they differ."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.matching.semver import Version
from dregsy_queue.matching.tags import TagItem, TagSet
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.reference import is_tag

BUSYBOX = "1.31.0 1.31.1 1.31.1-glibc 1.31.1-musl 1.31.9 1.36.0 v1.35.2 latest glibc stable-musl"
#: 2.0.0+b is no valid tag, but of equal precedence as 2.0.0.
MIXED = "latest 1.0.0 1.2.3 v1.2.3 1.2.3-alpine 1.2 1.10.0 2.0.0-rc1 2.0.0 2.0.0+b edge v2.1 glibc"
MORE = (
    "1.32.0 1.33.0 1.33.0-musl 1.34 1.34.1 1.35.0 1.35.0-glibc 1.36 1.36.0 1.36.0-glibc 1.36.0-musl 1.36.0-uclibc "
    "1.36-glibc 1.36.1 1.36.1-glibc 1.37.0 glibc latest musl"
)
TAGS_126 = "1.26.1 1.26.1-glibc 1.26.1-uclibc 1.26.1-musl 1.26.2-glibc 11.26.1-musl"
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
LONG = "sha512:" + "c" * 128


def select(items: list[str], tags: str) -> list[str]:
    return [str(item) for item in TagSet.parse(items).select(tags.split())]


@pytest.mark.parametrize(
    ("items", "tags", "expected"),
    [
        # the table of the manual
        (["semver: >=1.31.0 <1.31.9"], BUSYBOX, "1.31.0 1.31.1 1.31.1-glibc 1.31.1-musl"),
        (["semver: >=1.31.0 <1.31.9", "keep: .+(glibc|musl)"], BUSYBOX, "1.31.1-glibc 1.31.1-musl"),
        (["regex: !.+(glibc|musl)"], BUSYBOX, "1.31.0 1.31.1 1.31.9 1.36.0 v1.35.2 latest glibc"),
        (["glibc", "semver: >=1.31.0 <=1.36.0", "keep: latest 2"], BUSYBOX, "1.36.0 glibc v1.35.2"),
        (["keep: latest 1"], BUSYBOX, "1.36.0 glibc latest stable-musl"),
        (["keep: all.+", f"1.0@{A}"], BUSYBOX, f"1.0@{A}"),
        # everything, and verbatim tags
        ([], MIXED, MIXED),
        (["z", "b", "a"], "", "z b a"),
        (["z", "b", "a"], MIXED, "z b a"),
        ([" latest ", "latest", ":latest"], "", "latest"),
        (["latest", "regex:latest"], MIXED, "latest"),
        (["missing", "regex:latest"], MIXED, "latest missing"),
        # semver
        (["semver: >=1.2.0"], MIXED, "1.10.0 1.2 1.2.3 1.2.3-alpine 2.0.0 2.0.0+b 2.0.0-rc1 v1.2.3 v2.1"),
        (["semver: <2.0.0"], MIXED, "1.0.0 1.10.0 1.2 1.2.3 1.2.3-alpine 2.0.0-rc1 v1.2.3"),
        (["semver: =1.0.0", "semver: >=2.0.0"], MIXED, "1.0.0 2.0.0 2.0.0+b v2.1"),
        (["semver:=1.0.0 || >=2.0.0"], MIXED, "1.0.0 2.0.0 2.0.0+b v2.1"),
        (["semver: 1.2.x"], MIXED, "1.2 1.2.3 1.2.3-alpine v1.2.3"),
        (["semver: >=1.0.0", "keep: !.*(alpine|rc).*"], MIXED, "1.0.0 1.10.0 1.2 1.2.3 2.0.0 2.0.0+b v1.2.3 v2.1"),
        (["semver: <1.31.9"], "1.31.9 1.31.9-musl 1.31-musl", "1.31.9-musl"),
        (["semver: >=1.31.0"], "1.31.0 1.31.0-musl 1.31-musl", "1.31.0"),
        # regex
        ([r"regex: 1\..*"], MIXED, "1.0.0 1.10.0 1.2 1.2.3 1.2.3-alpine"),
        ([r"regex: !1\..*"], MIXED, "2.0.0 2.0.0+b 2.0.0-rc1 edge glibc latest v1.2.3 v2.1"),
        ([r"regex: ! 1\..*"], MIXED, "2.0.0 2.0.0+b 2.0.0-rc1 edge glibc latest v1.2.3 v2.1"),
        (["regex: late"], MIXED, ""),
        (["regex: Latest"], MIXED, ""),
        (["regex:"], MIXED, ""),
        (["regex: latest|edge"], MIXED + " latest-1 x-edge", "latest edge"),
        (["regex: edge", "semver: 1.0.0"], MIXED, "edge 1.0.0"),
        ([r"regex: 1\.26\.1-(glibc|uclibc|musl)"], TAGS_126, "1.26.1-glibc 1.26.1-uclibc 1.26.1-musl"),
        (["regex: !.+(glibc|musl)"], "1.26.1-musl 1.26.1-glibc 1.26.1-uclibc", "1.26.1-uclibc"),
        # keep
        (["keep: 1.+"], MIXED, "1.0.0 1.10.0 1.2 1.2.3 1.2.3-alpine"),
        (["keep: 1.+", "latest"], MIXED, "latest"),
        (["keep: 1.+", "keep: .*alpine"], MIXED, "1.2.3-alpine"),
        (["keep: 1.+", "keep: !.*alpine"], MIXED, "1.0.0 1.10.0 1.2 1.2.3"),
        (["keep: edge|latest"], MIXED + " latest-1 x-edge", "edge latest"),
        # keep: latest
        (["keep: latest 2"], MIXED, "edge glibc latest v2.1 2.0.0+b"),
        (["semver: >=1.0.0", "keep: latest 2"], MIXED, "v2.1 2.0.0+b"),
        (["keep: latest 1"], "1.36 1.36.0 v1.36.0", "v1.36.0"),
        (["keep: latest 1", "keep: !2.*"], MIXED, "edge glibc latest v2.1"),
        (["latest", "1.0.0", "1.2.3", "2.0.0", "3.0.0", "keep: latest 2"], "", "2.0.0 3.0.0 latest"),
        (["1.0.0", "semver: >=2.0.0", "keep: latest 2"], MIXED, "v2.1 2.0.0+b"),
        (["keep: latest 2"], "a c b d", "c d"),
        (["keep: latest 2"], "a", "a"),
        (["keep: latest 2"], "", ""),
        (["keep: latest 99"], MIXED, MIXED),
        (["keep: latest 9", "keep:   latest    1"], "1.0.0 2.0.0", "2.0.0"),
        (["keep:\tlatest\t1"], "1.0.0 2.0.0", "2.0.0"),
        (["keep: latest"], MIXED, "latest"),
        (
            ["glibc", "semver: >=1.33.0 <=1.36.0", "keep: latest 5"],
            MORE,
            "1.36 1.36.0 1.36.0-glibc 1.36.0-musl 1.36.0-uclibc glibc",
        ),
        # digests
        ([A, f"1.0@{B}", "keep: all.+"], "", f"{A} 1.0@{B}"),
        ([A, f"1.0.0@{B}", "1.1.0", "keep: latest 1"], "", f"{A} 1.0.0@{B} 1.1.0"),
        ([A, f"1.0.0@{B}", "keep: latest 1"], "", A),
        ([f"1.0@{A}", "1.0"], "", f"1.0@{A} 1.0"),
        ([LONG, f"x@{LONG}"], "", f"{LONG} x@{LONG}"),
    ],
)
def test_selection(items: list[str], tags: str, expected: str) -> None:
    assert select(items, tags) == sorted(expected.split())


@pytest.mark.parametrize(
    ("items", "needed"),
    [([], True), (["a"], False), (["keep: a"], True), (["keep: latest 1"], True), (["a", "keep: b"], False)]
    + [(["a", "keep: latest 1"], False), (["a", "regex: b"], True), (["a", "semver: >1.0.0"], True), ([A], False)],
)
def test_tags_are_listed_only_when_needed(items: list[str], needed: bool) -> None:
    assert TagSet.parse(items).needs_listing is needed


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("semver:", "nothing to compare with"),
        ("semver: foo", "is not a semver range"),
        ("semver: >=1.2", "'1.2' is not a version"),
        ("semver: ~1.2.3", "'~' is not a comparator"),
        ("regex: (", "missing )"),
        ("keep: (?=a)", "invalid perl operator"),
        ("keep: !(", "missing )"),
        ("keep: latest two", "a number from 1 on"),
        ("keep: latest 0", "a number from 1 on"),
        ("keep: latest -2", "a number from 1 on"),
        ("keep: latest 2 x", "a number from 1 on"),
        ("keep:latest 2", "write for example 'keep: latest 5'"),
        ("keep: latest 99999999999999999999", "more than 18 digits"),
        ("", "it is empty"),
        (":", "it is empty"),
        ("a b", "is not a valid tag: letters"),
        ("-a", "is not a valid tag: letters"),
        (".a", "is not a valid tag: letters"),
        ("a+b", "is not a valid tag: letters"),
        ("é", "is not a valid tag: letters"),
        ("a" * 129, "at most 128"),
        ("Semver: >1.0.0", "did you mean 'semver:'"),
        ("sha256:abc", "64 hex digits"),
        ("sha256:" + "A" * 64, "64 hex digits"),
        ("sha512:" + "a" * 64, "64 hex digits"),
        ("md5:" + "a" * 32, "is not a valid tag"),
        ("a@sha256:xyz", "64 hex digits"),
        ("a@", "64 hex digits"),
        ("@", "64 hex digits"),
        (f"a@{A}@{B}", "64 hex digits"),
        ("b a@" + A, "is not a valid tag"),
    ],
)
def test_a_bad_item_is_named(item: str, reason: str) -> None:
    with pytest.raises(ValueError) as caught:
        TagSet.parse(["good", item])
    message = str(caught.value)
    assert message.startswith(f"tag '{item}'") and reason in message and "\n" not in message


@pytest.mark.parametrize(
    ("text", "tag", "digest", "shown"),
    [
        ("1.2", "1.2", None, "1.2"),
        ("a" * 128, "a" * 128, None, "a" * 128),
        ("_A.b-C", "_A.b-C", None, "_A.b-C"),
        (":1.2", "1.2", None, "1.2"),
        (A, None, A, A),
        (f"@{A}", None, A, A),
        (f"v1@{A}", "v1", A, f"v1@{A}"),
        (f"v1@{LONG}", "v1", LONG, f"v1@{LONG}"),
    ],
)
def test_items(text: str, tag: str | None, digest: str | None, shown: str) -> None:
    assert TagItem.parse(text) == TagItem(tag, Digest(digest) if digest else None)
    assert str(TagItem.parse(text)) == shown


def test_tags_that_are_no_text_do_no_harm() -> None:
    assert select(["regex: a.*"], "a a\udcff") == ["a"]
    assert select([], "a\udcff") == ["a\udcff"]


tag_names = st.one_of(
    st.from_regex(r"[a-z0-9_][a-z0-9._-]{0,5}", fullmatch=True),
    st.from_regex(r"v?[0-3](\.[0-3]){0,2}(-(rc|alpine|1))?", fullmatch=True),
)
listed = st.lists(tag_names, max_size=15)
filters = st.sampled_from(
    ["semver: >=1.0.0", "semver: 1.x || 3.x", "semver: <2.0.0 !1.1.1", "regex: [a-f].*", "regex: !v.*", "keep: .*1.*"]
    + ["keep: !.*-.*", "keep: latest 2", "keep: latest 1", "regex: a|b"]
)
item_lists = st.lists(st.one_of(filters, tag_names, st.sampled_from([A, f"a@{B}"])), max_size=5)


@given(item_lists, listed)
def test_selection_is_a_subset_of_what_is_there_and_verbatim(items: list[str], tags: list[str]) -> None:
    tag_set = TagSet.parse(items)
    selected = tag_set.select(tags)
    assert set(selected) <= {TagItem(tag) for tag in tags} | set(tag_set.verbatim)
    assert [str(item) for item in selected] == sorted({str(item) for item in selected})
    if not tag_set.latest:
        assert set(tag_set.verbatim) <= set(selected)
    if not tag_set.needs_listing:
        assert selected == tag_set.select([])


@given(item_lists, listed, st.randoms(use_true_random=False))
def test_selection_does_not_depend_on_any_order(items: list[str], tags: list[str], chance: random.Random) -> None:
    counts = [item for item in items if item.startswith("keep: latest")]
    others = [item for item in items if item not in counts]
    shuffled_items = chance.sample(others, len(others)) + counts
    shuffled_tags = chance.sample(tags + tags, 2 * len(tags))
    assert TagSet.parse(items).select(tags) == TagSet.parse(shuffled_items).select(shuffled_tags)


@given(st.lists(filters.filter(lambda item: not item.startswith("keep")), min_size=2, max_size=4), listed)
def test_items_are_ored(items: list[str], tags: list[str]) -> None:
    union = {item for single in items for item in TagSet.parse([single]).select(tags)}
    assert set(TagSet.parse(items).select(tags)) == union


@given(listed, st.integers(1, 4))
def test_latest_keeps_the_highest_and_every_tag_that_is_no_version(tags: list[str], count: int) -> None:
    kept = {item.tag or "" for item in TagSet.parse([f"keep: latest {count}"]).select(tags)}
    versions = {tag: version for tag in tags if (version := Version.parse_tolerant(tag)) is not None}
    if not versions:
        assert kept == set(sorted(set(tags))[-count:])
        return
    assert kept - versions.keys() == set(tags) - versions.keys()
    kept_versions = kept & versions.keys()
    assert len(kept_versions) == min(count, len(versions))
    dropped = versions.keys() - kept_versions
    assert all(versions[low] <= versions[high] for low in dropped for high in kept_versions)


@given(st.text(max_size=6))
def test_verbatim_tags_are_valid_or_an_error(text: str) -> None:
    try:
        item = TagItem.parse(text)
    except ValueError:
        assert not is_tag(text)
    else:
        assert item.tag == text.removeprefix(":") and is_tag(item.tag)
