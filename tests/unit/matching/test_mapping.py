"""Mappings: which path goes where."""

from __future__ import annotations

import pytest

from dregsy_queue.matching.mapping import PathMapping
from dregsy_queue.matching.patterns import LONGEST, compile_pattern

REPOSITORIES = [
    "library/busybox",
    "library/alpine",
    "xelalex/dregsy-dummy-public",
    "jenkins/jnlp-slave",
    "mylibrary/busybox",
    "busybox",
    "library/busybox-extra",
]


def pairs(from_: str, to: str | None = None) -> dict[str, str]:
    return dict(PathMapping.parse(from_, to).pairs(REPOSITORIES))


@pytest.mark.parametrize(
    ("from_", "to", "target"),
    [
        ("library/busybox", None, "/library/busybox"),
        ("/library/busybox", None, "/library/busybox"),
        ("//library/busybox", None, "/library/busybox"),
        ("library/busybox", "dh", "/dh"),
        ("library/busybox", "/dh/", "/dh"),
        ("library/busybox", "regex:b,X", "/liXrary/XusyXox"),
        ("library/busybox", "regex:(.*),$1", "/library/busybox"),
        ("library/busybox", "regex:s,", "/library/buybox"),
        ("library/busybox", "regex:s,$$1", "/library/bu$1ybox"),
        ("library/busybox", "regex:s,$9", "/library/buybox"),
        ("library/busybox", "regex:s{1,2},y", "/library/busybox"),
        ("library/busybox", "regex:s,${", "/library/bu${ybox"),
        ("a", "regex:,x", "/x/xax"),
        ("myproject/webui", "regex:my(.+)/,from-dh/your$1/", "/from-dh/yourproject/webui"),
    ],
)
def test_plain_paths(from_: str, to: str | None, target: str) -> None:
    ((_, found),) = PathMapping.parse(from_, to).pairs()
    assert found == target


@pytest.mark.parametrize(
    ("from_", "to", "expected"),
    [
        ("regex:library/bus", None, ""),
        ("regex:library/busybox|library/alpine", "x", "/library/busybox /library/alpine"),
        ("regex:^library/.*$", "x", "/library/busybox /library/alpine /library/busybox-extra"),
        ("regex:*", None, " ".join("/" + name for name in REPOSITORIES)),
        ("regex:/library/.*", None, ""),
        ("regex:", None, ""),
    ],
)
def test_selected_repositories(from_: str, to: str | None, expected: str) -> None:
    assert set(pairs(from_, to)) == set(expected.split())


@pytest.mark.parametrize(
    ("from_", "to", "source", "target"),
    [
        ("regex:library/.*", None, "/library/busybox", "/library/busybox"),
        ("regex:library/.*", "dh", "/library/busybox", "/dh/library/busybox"),
        ("regex:library/.*", "/dh/", "/library/busybox", "/dh/library/busybox"),
        ("regex:library/.*", "regex:library/,dh/", "/library/busybox", "/dh/busybox"),
        ("regex:library/.*", "regex:^/library/,dh/", "/library/busybox", "/dh/busybox"),
        ("regex:library/.*", "regex:^library/,dh/", "/library/busybox", "/library/busybox"),
        ("regex:library/(.*)", "regex:/library/(.*),/dh/$1-copy", "/library/busybox", "/dh/busybox-copy"),
        ("regex:library/(.*)", "regex:/library/(.*),/dh/$1_copy", "/library/busybox", "/dh"),
        ("regex:library/(.*)", "regex:/library/(.*),/dh/${1}_copy", "/library/busybox", "/dh/busybox_copy"),
        (
            "regex:library/(.*)",
            "regex:/(?P<a>[^/]+)/(?P<b>.+),/$b/${a}",
            "/library/busybox",
            "/busybox/library",
        ),
    ],
)
def test_regex_targets(from_: str, to: str | None, source: str, target: str) -> None:
    assert pairs(from_, to)[source] == target


@pytest.mark.parametrize(
    ("from_", "to"),
    [("", None), ("regex:(", None), ("a", "regex:foo"), ("a", "regex:(,x"), ("regex:(?=a)", None)],
)
def test_bad_mappings(from_: str, to: str | None) -> None:
    with pytest.raises(ValueError):
        PathMapping.parse(from_, to)


def test_hostile_expressions_are_bounded() -> None:
    with pytest.raises(ValueError, match="at most"):
        compile_pattern("a" * (LONGEST + 1))
    with pytest.raises(ValueError, match="not a valid"):
        compile_pattern("((a{1,1000}){1,1000}){1,1000}")
    assert not compile_pattern("(a*)*b").matches("a" * 50_000)
