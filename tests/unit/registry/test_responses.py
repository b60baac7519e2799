"""What answers mean: waits, quotas and words, whatever servers write."""

from __future__ import annotations

import json
import time
from email.utils import formatdate

import pytest

from dregsy_queue.registry.quota import LONGEST_WINDOW, Quota, parse_quota
from dregsy_queue.registry.responses import LONGEST_WAIT, Answer, error, number, retry_after, words_of


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        ("-5", 0),
        ("7", 7),
        ("1.5", 1.5),
        (" 7 ", 7),
        ("901", LONGEST_WAIT),
        ("86400", LONGEST_WAIT),
        ("4102444800", LONGEST_WAIT),
        ("4102444800000", LONGEST_WAIT),
        ("1000000001", 0),
        ("9" * 400, LONGEST_WAIT),
        ("inf", LONGEST_WAIT),
        ("1e400", LONGEST_WAIT),
        ("nan", None),
        ("soon", None),
        ("5 seconds", None),
        ("PT5S", None),
        ("5, 7", None),
        (formatdate(0, usegmt=True), 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Fri, 32 Dec 2026 23:59:59 GMT", None),
        ("2026-12-31T23:59:59Z", None),
        ("x" * 100_000, None),
    ],
)
def test_waits_are_bounded(value: str | None, wait: float | None) -> None:
    """hub-feedback#2459: an epoch; and all that is no number and no date."""
    assert retry_after(value) == wait


def test_a_date_is_a_wait() -> None:
    assert retry_after(formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60, abs=2)
    assert retry_after(str(time.time() + 60)) == pytest.approx(60, abs=2), "the time itself"


@pytest.mark.parametrize(
    ("remaining", "limit", "quota"),
    [
        ("76;w=21600", "100;w=21600", Quota(100, 21600, 76)),
        ("76", "100", Quota(100, 0, 76)),
        ("76;w=21600", "", Quota(76, 21600, 76)),
        ("0;w=21600", "100;w=21600", Quota(100, 21600, 0)),
        (" 76 ; w=60", "100", Quota(100, 60, 76)),
        ("76;W=60", "100", Quota(100, 60, 76)),
        ("76", "100, 100;w=60;burst=5", Quota(100, 60, 76)),
        ("76;w=1.2.3", "100", Quota(100, 0, 76)),
        ("76;w=99999999999999", "100", Quota(100, 0, 76)),
        (f"76;w={int(LONGEST_WINDOW) + 1}", "100", Quota(100, 0, 76)),
        ("76;w=-5", "100", Quota(100, 0, 76)),
        ("76", "many", Quota(76, 0, 76)),
        ("", "100", None),
        ("-1", "100", None),
        ("many", "100", None),
        ("7.5", "100", None),
        ("9" * 30, "100", None),
        ("1e3", "100", Quota(100, 0, 1)),
        (";w=5", "100", None),
        ("x" * 200_000, "", None),
    ],
)
def test_quotas_are_read_or_not_at_all(remaining: str, limit: str, quota: Quota | None) -> None:
    assert parse_quota({"ratelimit-remaining": remaining, "ratelimit-limit": limit}) == quota


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"errors": [{"code": "DENIED", "message": "no"}]}, "no"),
        ({"errors": [{"code": "DENIED"}]}, "DENIED"),
        ({"errors": [{"code": "X", "message": "", "detail": {"reason": 1, "message": "deep"}}]}, "deep"),
        ({"errors": []}, ""),
        ({"errors": "plain"}, "plain"),
        ({"error": "plain"}, "plain"),
        ({"error": {"code": 7, "message": "inner"}}, "inner"),
        ({"error": "invalid_grant", "error_description": "token is old"}, "token is old"),
        ({"message": "m", "status": 500}, "m"),
        ({"detail": "d"}, "d"),
        ({"details": "incorrect username or password"}, "incorrect username or password"),
        ("quoted", "quoted"),
        (None, ""),
        (7, ""),
        ([{"message": "first"}, {"message": "second"}], "first"),
        ({"message": "a\u0000b\u001b[31m\nc"}, "a b [31m c"),
    ],
)
def test_words_in_json(document: object, words: str) -> None:
    assert words_of(json.dumps(document).encode()) == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"Method not allowed\n", "Method not allowed"),
        (b"<html><head><title> 413 Too Large </title>", "a web page: 413 Too Large"),
        (b"<!DOCTYPE html><p>x", "a web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "AccessDenied"),
        (b"{broken", ""),
        (b"\xff\xfe text", "\ufffd\ufffd text"),
        (b"[" * 200_000, ""),
        (b"", ""),
        (b"w" * 5000, "w" * 300),
    ],
)
def test_words_in_other_forms(body: bytes, words: str) -> None:
    assert words_of(body) == words


@pytest.mark.parametrize(
    ("status", "temporary"),
    [
        (code, False)
        for code in (400, 402, 403, 404, 405, 406, 409, 410, 412, 413, 415, 416, 422, 451, 501, 505, 301, 200)
    ]
    + [(code, True) for code in (408, 425, 429, 500, 502, 503, 504, 507)],
)
def test_which_answers_pass(status: int, temporary: bool) -> None:
    found = error(Answer(status, {}, b"", "https://r.example/v2/"), "r.example", "image a 1")
    assert found.temporary is temporary and str(found).startswith("r.example: image a 1: ")
    assert str(status) in str(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("5242880", 5242880), ("", None), ("-1", None), ("+5", None), ("5 ", None), ("\u00b2", None)]
    + [("9" * 19, None), ("9" * 5000, None)],
)
def test_numbers_are_digits_and_not_too_many(text: str, expected: int | None) -> None:
    assert number(text) == expected
