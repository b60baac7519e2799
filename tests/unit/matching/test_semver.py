"""Versions and ranges. The vectors come from blang/semver v4.0.0 itself; the laws are those of semver.org."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.matching.semver import Version, parse_range

MOST = str(2**64 - 1)
ABOVE = str(2**64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", Version(1, 0, 0)),
        ("v1", Version(1, 0, 0)),
        ("1.2", Version(1, 2, 0)),
        ("v1.2.3", Version(1, 2, 3)),
        (" 1.2.3 ", Version(1, 2, 3)),
        ("01.2.3", Version(1, 2, 3)),
        ("1.2.03", Version(1, 2, 3)),
        ("v01.02", Version(1, 2, 0)),
        ("000.1", Version(0, 1, 0)),
        ("00", Version(0, 0, 0)),
        ("0", Version(0, 0, 0)),
        ("2021.01.02", Version(2021, 1, 2)),
        ("20210101", Version(20210101, 0, 0)),
        ("1.2.3-0a", Version(1, 2, 3, ("0a",))),
        ("1.2.3-v01", Version(1, 2, 3, ("v01",))),
        ("1.2.3-0", Version(1, 2, 3, ("0",))),
        ("1.2.03-rc1", Version(1, 2, 3, ("rc1",))),
        ("1.2.3--", Version(1, 2, 3, ("-",))),
        ("1.31.1-uclibc", Version(1, 31, 1, ("uclibc",))),
        ("3.10.1-slim-buster", Version(3, 10, 1, ("slim-buster",))),
        ("1.2.3-rc.1.x", Version(1, 2, 3, ("rc", "1", "x"))),
        ("1.2.3+b.01", Version(1, 2, 3, (), "b.01")),
        ("1.2.3-rc.1+b-2", Version(1, 2, 3, ("rc", "1"), "b-2")),
        (f"{MOST}.0.0-{MOST}", Version(2**64 - 1, 0, 0, (MOST,))),
    ],
)
def test_tags_that_are_versions(text: str, expected: Version) -> None:
    version = Version.parse_tolerant(text)
    assert version == expected
    assert version is not None and version.build == expected.build


@pytest.mark.parametrize(
    "text",
    "V1.2.3 vv1.2.3 1.2.3.4 1.2-alpine 1-alpine 1.36-glibc 3.10-slim 1.2+b 1.2.3-01 1.2.3-rc.01 1.2.3-00 1.2.3_alpine "
    "1.2.3-alpine_x 1.2.3- 1.2.3+ 1.2.3-+b 1.2.3+b+c 1.2.3-a..b 1.2.3alpine release-1.2.3 1. 1..2 v 0x10 latest "
    f"{ABOVE}.0.0 1.{ABOVE}.0 1.2.3-{ABOVE} 1.2.²".split()
    + ["", " ", "1 2 3", "9" * 5000, "1.2.3-" + "9" * 5000],
)
def test_tags_that_are_no_versions(text: str) -> None:
    assert Version.parse_tolerant(text) is None


@pytest.mark.parametrize("text", ["1", "1.2", "v1.2.3", "01.2.3", "1.2.3 ", "1.2.x", "1.2.3-01", "1-2.3.4", ""])
def test_strict_parsing_fills_and_strips_nothing(text: str) -> None:
    with pytest.raises(ValueError):
        Version.parse(text)


PRESENT = (
    "0.9.0 1.0.0-rc1 1.0.0 1.0.0+b 1.0.1 1.2.0 1.2.3-alpine 1.2.3-xenial 1.2.3 1.2.4 1.3.0 1.9.9 2.0.0-rc1 2.0.0 "
    "3.0.0 3.1.0 4.2.1"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">=1.2.3 <2.0.0", "1.2.3 1.2.4 1.3.0 1.9.9 2.0.0-rc1"),
        (" >=1.2.3   <2.0.0 ", "1.2.3 1.2.4 1.3.0 1.9.9 2.0.0-rc1"),
        (">= 1.2.3 < 2.0.0", "1.2.3 1.2.4 1.3.0 1.9.9 2.0.0-rc1"),
        (">1.2.3 <=2.0.0", "1.2.4 1.3.0 1.9.9 2.0.0-rc1 2.0.0"),
        ("<1.0.0", "0.9.0 1.0.0-rc1"),
        ("<=1.0.0", "0.9.0 1.0.0-rc1 1.0.0 1.0.0+b"),
        ("1.0.0", "1.0.0 1.0.0+b"),
        ("=1.0.0+build", "1.0.0 1.0.0+b"),
        ("== 1.2.3-alpine", "1.2.3-alpine"),
        ("=1.2.3 || ==2.0.0", "1.2.3 2.0.0"),
        (">1.0.0 <1.2.0 || >3.0.0 !4.2.1", "1.0.1 3.1.0"),
        (">3.0.0 !=4.2.1 || <1.0.0 || 2.0.0", "0.9.0 1.0.0-rc1 2.0.0 3.1.0"),
        (">=3.0.0 !3.1.0", "3.0.0 4.2.1"),
        (">2.0.0 <1.0.0", ""),
        (">=1.2.3-xenial <1.2.4", "1.2.3-xenial 1.2.3"),
        (">=1.2.3-alpine <1.2.3", "1.2.3-alpine 1.2.3-xenial"),
        # wildcards
        ("1.x", "1.0.0 1.0.0+b 1.0.1 1.2.0 1.2.3-alpine 1.2.3-xenial 1.2.3 1.2.4 1.3.0 1.9.9 2.0.0-rc1"),
        ("=1.2.x", "1.2.0 1.2.3-alpine 1.2.3-xenial 1.2.3 1.2.4"),
        ("==1.2.x", "1.2.0 1.2.3-alpine 1.2.3-xenial 1.2.3 1.2.4"),
        ("1.x.x", "1.0.0 1.0.0+b 1.0.1"),
        (">=3.x", "3.0.0 3.1.0 4.2.1"),
        (">=1.3.x", "1.3.0 1.9.9 2.0.0-rc1 2.0.0 3.0.0 3.1.0 4.2.1"),
        (">2.x", "3.0.0 3.1.0 4.2.1"),
        (">1.2.x <2.0.0-0", "1.3.0 1.9.9"),
        ("<1.x", "0.9.0 1.0.0-rc1"),
        ("<=1.x >=1.3.0", "1.3.0 1.9.9 2.0.0-rc1"),
        ("<1.2.x >=1.0.1", "1.0.1"),
        ("<=1.2.x >=1.0.1", "1.0.1 1.2.0 1.2.3-alpine 1.2.3-xenial 1.2.3 1.2.4"),
        ("!=1.x", ""),
        ("!1.2.x", ""),
        # a token of one character vanishes
        (">=4.0.0 1", "4.2.1"),
        ("x >=4.0.0 *", "4.2.1"),
    ],
)
def test_ranges(text: str, expected: str) -> None:
    parsed = parse_range(text)
    assert [version for version in PRESENT.split() if parsed.matches(Version.parse(version))] == expected.split()


@pytest.mark.parametrize(
    "text",
    ["", " ", "foo", ">=1.2", ">1", ">=v1.2.3", "~1.2.3", "^1.2.3", "*", "x", "1", ">=1.2.3, <2.0.0", ">=1.2.3,<2.0.0"]
    + ["||", ">=1.0.0 ||", "|| >=1.0.0", ">1.0.0 || || <2.0.0", ">=1.0.0||<0.1.0", "=>1.0.0", "<>1.0.0", "1.*", "1.X"]
    + [">=01.2.3", "1.x.3", "1.2.x.x", "x.1", ">1.2.3-xenial", "(>1.0.0)", ">=", ">=1.2.3-01", f">={ABOVE}.0.0"]
    + ["~1.x", "^1.2.x", ">=v1.2.x", ">=1.0.0\t<2.0.0", ">=" + "9" * 5000 + ".0.0", "\ud800"],
)
def test_rejected_ranges(text: str) -> None:
    with pytest.raises(ValueError, match="is not a semver range: ") as caught:
        parse_range(text)
    assert str(caught.value).startswith(f"'{text}'")


def test_precedence_is_that_of_semver_org() -> None:
    ordered = "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1"
    versions = [Version.parse(text) for text in ordered.split()]
    assert all(low < high for low, high in itertools.combinations(versions, 2))
    assert not any(high < low for low, high in itertools.combinations(versions, 2))


def test_build_metadata_do_not_count() -> None:
    plain, built = Version.parse("1.2.3"), Version.parse("1.2.3+b")
    assert plain == built and hash(plain) == hash(built)
    assert plain <= built <= plain and not plain < built


numbers = st.integers(0, 3)
identifiers = st.sampled_from(["0", "1", "10", "a", "b", "rc-1", "-", "A"])
versions = st.builds(Version, numbers, numbers, numbers, st.lists(identifiers, max_size=3).map(tuple))
comparators = st.sampled_from(["", "=", "==", "!", "!=", "<", "<=", ">", ">="])


def text_of(version: Version) -> str:
    return f"{version.major}.{version.minor}.{version.patch}" + ("-" + ".".join(version.pre) if version.pre else "")


@given(versions)
def test_text_and_back(version: Version) -> None:
    assert Version.parse(text_of(version)) == Version.parse_tolerant("v" + text_of(version)) == version


@given(versions, versions, versions)
def test_order_is_total(a: Version, b: Version, c: Version) -> None:
    assert (a < b) + (b < a) + (a == b) == 1
    assert not (a < b and b < c) or a < c
    assert (a <= b) is not (b < a)


@given(comparators, versions, comparators, versions, versions)
def test_ranges_combine(one: str, low: Version, two: str, high: Version, version: Version) -> None:
    first, second = one + text_of(low), two + text_of(high)
    holds_first, holds_second = parse_range(first).matches(version), parse_range(second).matches(version)
    assert parse_range(f"{first} {second}").matches(version) is (holds_first and holds_second)
    assert parse_range(f"{first} || {second}").matches(version) is (holds_first or holds_second)


@given(versions, versions)
def test_comparators_are_the_order(bound: Version, version: Version) -> None:
    def holds(comparator: str) -> bool:
        return parse_range(comparator + text_of(bound)).matches(version)

    assert (holds("<"), holds("="), holds(">")) == (version < bound, version == bound, version > bound)
    assert holds("<=") is not holds(">")
    assert holds(">=") is not holds("<")
    assert holds("!=") is holds("!") is not holds("")


@given(numbers, numbers, versions)
def test_wildcards_stand_for_two_bounds(major: int, minor: int, version: Version) -> None:
    for wildcard, low, high in (
        (f"{major}.x", f"{major}.0.0", f"{major + 1}.0.0"),
        (f"{major}.{minor}.x", f"{major}.{minor}.0", f"{major}.{minor + 1}.0"),
    ):
        bounds = Version.parse(low) <= version < Version.parse(high)
        assert parse_range(wildcard).matches(version) is bounds
        assert parse_range(f"<={wildcard} >={wildcard}").matches(version) is bounds
        assert not parse_range(f"!={wildcard}").matches(version)
