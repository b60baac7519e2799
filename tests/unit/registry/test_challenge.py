"""Challenges, links and waits, as registries really write them."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from dregsy_queue.registry.pages import next_link
from dregsy_queue.registry.responses import retry_after
from dregsy_queue.registry.signing_in.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (['Basic realm="r"'], Challenge("basic", "r")),
        (
            ['Bearer realm="https://a/t?x=1,2",service="s s",scope="q"'],
            Challenge("bearer", "https://a/t?x=1,2", "s s", "q"),
        ),
        (["bearer realm=https://a/t , service=s"], Challenge("bearer", "https://a/t", "s")),
        (['Basic realm="r"', 'Bearer realm="b"'], Challenge("bearer", "b")),
        ([r'Bearer realm="a\"b"'], Challenge("bearer", 'a"b')),
        (['Basic realm="registry", Bearer realm="https://a/t",service="s"'], Challenge("bearer", "https://a/t", "s")),
        (['Bearer realm="https://a/t",service="s", Basic realm="registry"'], Challenge("bearer", "https://a/t", "s")),
        (['Negotiate, Basic realm="r"'], Challenge("basic", "r")),
        (
            ['Digest realm="d", nonce="x", Bearer realm="b", scope="repository:a:pull"'],
            Challenge("bearer", "b", "", "repository:a:pull"),
        ),
        (["Bearer", 'Basic realm="r"'], Challenge("basic", "r")),
        (["Negotiate"], None),
        ([""], None),
        ([], None),
    ],
)
def test_challenges(headers: list[str], expected: Challenge | None) -> None:
    assert parse_challenges(headers) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('</v2/a/tags/list?last=b&n=2>; rel="next"', "http://h/v2/a/tags/list?last=b&n=2"),
        ("<?last=b>;rel=next", "http://h/v2/a?last=b"),
        ("<https://other/v2/x> ; foo=bar; rel='next'", "http://h/v2/x"),
        ('</a>; rel="prev", </b>; rel="next"', "http://h/b"),
        ('</a>; rel="prev"', None),
        ("", None),
        ("nonsense", None),
        ("</a>; rel=prev>, </b>; rel=next", "http://h/b"),
        ("<mailto:x>; rel=next", "/v2/-/no-such-page"),
        ("<http://[>; rel=next", "/v2/-/no-such-page"),
        ("<http://h:99999/x>; rel=next", "/v2/-/no-such-page"),
    ],
)
def test_links(header: str, expected: str | None) -> None:
    assert next_link({"Link": header}, "http://h/v2/a") == expected


def test_retry_after() -> None:
    assert retry_after("120") == 120 and retry_after("0") == 0 and retry_after(None) is None
    assert retry_after("soon") is None and retry_after("-5") == 0
    assert retry_after(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)


def test_reading_challenges_takes_linear_time() -> None:
    """A hundred lines of white space and half challenges; a quadratic reader needs minutes."""
    assert parse_challenges([" " * 60_000 + "Bearer " + 'a="' * 20_000] * 100) is None
