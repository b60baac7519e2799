"""Versions and ranges, by vectors taken from the reference implementation, and by laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.matching.semver import Version, parse_range

VERSIONS = "1 1.2 v1.2.3 01.2.3 1.2.03 000.1 00 v1 2021.01.02 1.2.3-0a 1.2.3-v01 1.31.1-uclibc 3.10.1-slim-buster"
NO_VERSIONS = (
    "V1.2.3 vv1.2.3 1.2.3.4 1.2-alpine 1-alpine 1.2+b 1.2.3-01 1.2.3-rc.01 1.2.3-00 1.2.3_alpine 1.2.3-alpine_x "
    "1.2.3- 1.2.3+ 1.2.3alpine release-1.2.3 1. 1..2 v 0x10 18446744073709551616.0.0"
)


@pytest.mark.parametrize("text", [*VERSIONS.split(), " 1.2.3 "])
def test_tags_that_are_versions(text: str) -> None:
    assert Version.parse_tolerant(text) is not None


@pytest.mark.parametrize("text", [*NO_VERSIONS.split(), ""])
def test_tags_that_are_no_versions(text: str) -> None:
    assert Version.parse_tolerant(text) is None


def test_tolerant_parsing_fills_and_strips() -> None:
    assert Version.parse_tolerant("v01.02") == Version(1, 2, 0)
    assert Version.parse_tolerant("2021.01.02") == Version(2021, 1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "foo",
        ">=1.2",
        ">1",
        ">=v1.2.3",
        "~1.2.3",
        "^1.2.3",
        "*",
        "x",
        ">=1.2.3, <2.0.0",
        "||",
        ">=1.0.0 ||",
    ]
    + ["=>1.0.0", "<>1.0.0", "1.*", "1.X", ">=01.2.3", ">1.2.3-xenial"],
)
def test_rejected_ranges(text: str) -> None:
    with pytest.raises(ValueError, match="range"):
        parse_range(text)


@pytest.mark.parametrize(
    ("range_", "inside", "outside"),
    [
        (">=1.31.0 <1.31.9", "1.31.0 1.31.8 1.31.9-musl", "1.31.0-musl 1.31.9 1.30.9"),
        (">= 1.31.0 < 1.31.9", "1.31.0 1.31.8", "1.31.9"),
        ("1.2.3", "1.2.3 1.2.3+build", "1.2.3-rc1 1.2.4"),
        ("=1.2.3 || ==2.0.0", "1.2.3 2.0.0", "1.5.0"),
        (">1.0.0 <2.0.0 || >3.0.0 !4.2.1", "1.5.0 3.1.0", "2.5.0 4.2.1 3.0.0"),
        ("!=1.0.0", "1.0.1 0.9.0", "1.0.0"),
        ("1.x", "1.0.0 1.9.9", "2.0.0 0.9.0"),
        ("1.2.x", "1.2.0 1.2.9", "1.3.0 1.1.9"),
        (">=1.x", "1.0.0 2.0.0", "0.9.0"),
        ("<=1.x", "1.9.9 0.1.0", "2.0.0"),
        (">1.x", "2.0.0", "1.9.9"),
        ("<1.x", "0.9.0", "1.0.0"),
        ("!=1.x", "", "0.9.0 1.5.0 2.0.0"),
        (">=1.2.3-xenial", "1.2.3-xenial 1.2.3", "1.2.3-alpine"),
    ],
)
def test_ranges(range_: str, inside: str, outside: str) -> None:
    parsed = parse_range(range_)
    for expected, texts in ((True, inside), (False, outside)):
        for text in texts.split():
            assert parsed.matches(Version.parse(text)) is expected, text


def test_precedence_is_that_of_semver_org() -> None:
    ordered = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1"
    versions = [Version.parse(text) for text in ordered.split()]
    versions_mixed = versions[::-1]
    assert sorted(versions_mixed) == versions


numbers = st.integers(0, 30)
versions = st.builds(
    Version,
    numbers,
    numbers,
    numbers,
    st.lists(st.sampled_from(["0", "1", "10", "a", "b", "rc-1"]), max_size=3).map(tuple),
)


@given(versions, versions, versions)
def test_order_is_total(a: Version, b: Version, c: Version) -> None:
    assert (a < b) + (b < a) + (a == b) == 1
    assert not (a < b and b < c) or a < c


@given(versions, versions, versions)
def test_ranges_combine(low: Version, high: Version, version: Version) -> None:
    def text(bound: Version) -> str:
        return f"{bound.major}.{bound.minor}.{bound.patch}" + ("-" + ".".join(bound.pre) if bound.pre else "")

    above, below = f">={text(low)}", f"<{text(high)}"
    if "x" in above + below:
        return
    both, either = parse_range(f"{above} {below}"), parse_range(f"{above} || {below}")
    is_above, is_below = parse_range(above).matches(version), parse_range(below).matches(version)
    assert both.matches(version) is (is_above and is_below)
    assert either.matches(version) is (is_above or is_below)
    assert is_above is (version >= low)
