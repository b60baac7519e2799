"""Mappings: which path goes where. The vectors come from dregsy, with our rules where they differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.matching.paths import PathMapping, normalize

REPOSITORIES = [
    "library/busybox",
    "library/alpine",
    "xelalex/dregsy-dummy-public",
    "jenkins/jnlp-slave",
    "mylibrary/busybox",
    "busybox",
    "library/busybox-extra",
]
EVERY = ["/" + name for name in REPOSITORIES]
LIBRARY = ["/library/busybox", "/library/alpine", "/library/busybox-extra"]


@pytest.mark.parametrize(
    ("from_", "to", "source", "target"),
    [
        ("library/busybox", None, "/library/busybox", "/library/busybox"),
        ("library/busybox", "", "/library/busybox", "/library/busybox"),
        ("/library/busybox", None, "/library/busybox", "/library/busybox"),
        ("//library//busybox/", None, "/library/busybox", "/library/busybox"),
        (" library/busybox ", " dh ", "/library/busybox", "/dh"),
        ("library/busybox", "dh", "/library/busybox", "/dh"),
        ("library/busybox", "/dh", "/library/busybox", "/dh"),
        ("library/busybox", "dh/", "/library/busybox", "/dh"),
        ("*", None, "/*", "/*"),
        ("Regex:a", None, "/Regex:a", "/Regex:a"),
        ("library/busybox", "regex:b,X", "/library/busybox", "/liXrary/XusyXox"),
        ("library/busybox", "regex:(.*),$1", "/library/busybox", "/library/busybox"),
        ("library/busybox", "regex:s,", "/library/busybox", "/library/buybox"),
        ("library/busybox", "regex:s,$$1", "/library/busybox", "/library/bu$1ybox"),
        ("library/busybox", "regex:s,$9", "/library/busybox", "/library/buybox"),
        ("library/busybox", "regex:s,${", "/library/busybox", "/library/bu${ybox"),
        ("library/busybox", "regex:s{1,2},y", "/library/busybox", "/library/busybox"),
        ("library/busybox", "regex:y,a,b", "/library/busybox", "/librara,b/busa,bbox"),
        ("library/busybox", "regex:no,dh", "/library/busybox", "/library/busybox"),
        ("library/busybox", "regex: library/ , dh/ ", "/library/busybox", "/dh/busybox"),
        ("library/busybox", "regex:^/library,", "/library/busybox", "/busybox"),
        ("library/busybox", "regex:^/library/,registrydh/", "/library/busybox", "/registrydh/busybox"),
        ("ab", "regex:,x", "/ab", "/x/xaxbx"),
        ("myproject/webui", "regex:my(.+)/,from-dh/your$1/", "/myproject/webui", "/from-dh/yourproject/webui"),
    ],
)
def test_plain_paths(from_: str, to: str | None, source: str, target: str) -> None:
    mapping = PathMapping.parse(from_, to)
    assert not mapping.needs_listing
    assert mapping.pairs() == mapping.pairs(REPOSITORIES) == [(source, target)]


@pytest.mark.parametrize(
    ("from_", "expected"),
    [
        ("regex:library/.*", LIBRARY),
        ("regex: library/.* ", LIBRARY),
        ("regex:^library/.*$", LIBRARY),
        ("regex:library/busybox", ["/library/busybox"]),
        ("regex:library/bus", []),
        ("regex:library/busybox|library/alpine", ["/library/busybox", "/library/alpine"]),
        ("regex:(library/busybox|library/alpine)", ["/library/busybox", "/library/alpine"]),
        ("regex:*", EVERY),
        ("regex:.*", EVERY),
        ("regex:/library/.*", []),
        ("regex:!library/.*", []),
        ("regex:", []),
        ("regex:Library/.*", []),
        ("regex:(?i)Library/.*", LIBRARY),
    ],
)
def test_repositories_are_selected_by_their_whole_name(from_: str, expected: list[str]) -> None:
    mapping = PathMapping.parse(from_, None)
    assert mapping.needs_listing
    assert mapping.pairs(REPOSITORIES) == [(path, path) for path in expected]
    assert mapping.pairs() == []


@pytest.mark.parametrize(
    ("from_", "to", "target"),
    [
        ("regex:library/.*", "dh", "/dh/library/busybox"),
        ("regex:library/.*", "/dh/", "/dh/library/busybox"),
        ("regex:library/.*", "regex:library/,dh/", "/dh/busybox"),
        ("regex:library/.*", "regex:^/library/,dh/", "/dh/busybox"),
        ("regex:library/.*", "regex:^library/,dh/", "/library/busybox"),
        ("regex:library/(.*)", "regex:/library/(.*),/dh/$1-copy", "/dh/busybox-copy"),
        ("regex:library/(.*)", "regex:/library/(.*),/dh/$1_copy", "/dh"),
        ("regex:library/(.*)", "regex:/library/(.*),/dh/${1}_copy", "/dh/busybox_copy"),
        ("regex:library/(.*)", "regex:/(?P<a>[^/]+)/(?P<b>.+),/$b/${a}", "/busybox/library"),
    ],
)
def test_targets_of_selected_repositories(from_: str, to: str, target: str) -> None:
    assert dict(PathMapping.parse(from_, to).pairs(REPOSITORIES))["/library/busybox"] == target


def test_a_repository_listed_twice_counts_once() -> None:
    pairs = PathMapping.parse("regex:.*", "x").pairs(["b", "a", "b"])
    assert pairs == [("/b", "/x/b"), ("/a", "/x/a")]


@pytest.mark.parametrize(
    ("from_", "to", "message"),
    [
        ("", None, "without 'From' path"),
        ("  ", None, "without 'From' path"),
        ("/", None, "without 'From' path"),
        ("a", "//", "'//' names no repository"),
        ("a b", None, "'a b' is not a repository path"),
        ("a", "b\nc", "is not a repository path"),
        ("a\ud800", None, "is not a repository path"),
        ("a", "regex:foo", "'to: regex:foo' has no replacement"),
        ("a", "regex:", "has no replacement"),
        ("a", "regex:(,x", "valid regular expression"),
        ("regex:(", None, "valid regular expression"),
        ("regex:(?=a)", None, "valid regular expression"),
    ],
)
def test_bad_mappings(from_: str, to: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")) as caught:
        PathMapping.parse(from_, to)
    assert "\n" not in str(caught.value)


names = st.from_regex(r"[a-z0-9]{1,3}(/[a-z0-9]{1,3}){0,2}", fullmatch=True)
targets = st.sampled_from([None, "", "dh", "/dh/", "a//b", "regex:a,", "regex:/,//", "regex:^/(.),$1", "regex:.*,"])


@given(st.lists(names, max_size=10), targets)
def test_paths_start_with_one_slash(listed: list[str], to: str | None) -> None:
    for path in (path for pair in PathMapping.parse("regex:.*", to).pairs(listed) for path in pair):
        assert path.startswith("/") and "//" not in path
        assert normalize(path) == path


@given(st.lists(names, max_size=10), st.sampled_from(["[a-f].*", ".*/.*", "a|b|ab", ".*"]))
def test_sources_are_listed_repositories_in_their_order(listed: list[str], expression: str) -> None:
    sources = [source for source, _ in PathMapping.parse("regex:" + expression, None).pairs(listed)]
    assert sources == [path for path in dict.fromkeys("/" + name for name in listed) if path in sources]
