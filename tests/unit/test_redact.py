"""Secrets are hidden in what others wrote, and names stay whole."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator

import pytest

from dregsy_queue import logs, redact


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redact, "_hidden", set())
    monkeypatch.setattr(redact, "_names", set())
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("login shop is refused", "login *** is refused"),
        ("password=shop, user=bob", "password=***, user=bob"),
        ('{"password":"shop"}', '{"password":"***"}'),
        ("http://bob:shop@host/v2/", "http://bob:***@host/v2/"),
        ("http://host/v2/?password=shop&x=1", "http://host/v2/?password=***&x=1"),
        ("bob:shop@host/lib/app:1", "bob:***@host/lib/app:1"),
        ("xshopx", "x***x"),
        # names
        ("127.0.0.1:5000/shop/web:7 is gone", "127.0.0.1:5000/shop/web:7 is gone"),
        ("127.0.0.1:5000/lib/web:shop@sha256:ab", "127.0.0.1:5000/lib/web:shop@sha256:ab"),
        ("HEAD http://127.0.0.1:5000/v2/shop/web/manifests/7", "HEAD http://127.0.0.1:5000/v2/shop/web/manifests/7"),
        ("task 'shop-mirror' failed", "task 'shop-mirror' failed"),
        ("shop.example.com:5000: out of reach", "shop.example.com:5000: out of reach"),
    ],
)
def test_a_password_that_is_a_word_of_names(text: str, expected: str) -> None:
    redact.hide("shop")
    redact.know(["shop-mirror", "shop.example.com:5000", "shop"])
    assert redact.scrub(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET https://ann:s3cret@host/v2/ failed", "GET https://ann:***@host/v2/ failed"),
        ("sent Authorization: Bearer eyJh.eyJz.c2ln, refused", "sent Authorization: Bearer ***, refused"),
        (
            "https://s3/b?X-Amz-Date=1&X-Amz-Signature=0f3a is gone",
            "https://s3/b?X-Amz-Date=1&X-Amz-Signature=*** is gone",
        ),
        # nothing of the kind
        (
            "docker://host:5000/a@sha256:ab, basic authentication",
            "docker://host:5000/a@sha256:ab, basic authentication",
        ),
        ("https://host:5000/v2/a/tags/list?n=100&last=token", "https://host:5000/v2/a/tags/list?n=100&last=token"),
    ],
)
def test_what_is_a_secret_by_its_place(text: str, expected: str) -> None:
    assert redact.scrub(text) == expected


def test_the_forms_in_which_a_login_travels() -> None:
    password = 'pä ss"w/rd='
    redact.hide(password, "bob")
    login = f"bob:{password}".encode()
    document = json.dumps({"username": "bob", "password": password}).encode()
    for form in (login, document):
        assert redact.scrub(f"a {base64.b64encode(form).decode()} b") == "a *** b"
    assert redact.scrub(json.dumps({"p": password})) == '{"p": "***"}'
    assert redact.scrub("x=p%C3%A4%20ss%22w%2Frd%3D") == "x=***"
    assert redact.scrub(f"see {password}/x") == "see ***/x"


def test_log_lines_keep_names_and_the_programs_own_words() -> None:
    redact.hide("copied")
    redact.hide("wrong")
    stream = io.StringIO()
    logs.configure({}, stream)
    more = logs.log_fields(task="wrong-password", target="127.0.0.1:5/wrong:1", answer="it is wrong")
    logging.getLogger("x").info("copied in %.1f s: %s %s", 2.04, "wrong login", ValueError("wrong"), extra=more)
    line = json.loads(stream.getvalue())
    assert line["msg"] == "copied in 2.0 s: *** login ***"
    assert (line["task"], line["target"], line["answer"]) == ("wrong-password", "127.0.0.1:5/wrong:1", "it is ***")


def test_a_password_alone_in_base64_is_hidden() -> None:
    redact.hide("only-this-word?>", "bob")
    for code in (base64.b64encode, base64.urlsafe_b64encode):
        coded = code(b"only-this-word?>").decode()
        assert redact.scrub(f"a {coded} b {coded.rstrip('=')} c") == "a *** b *** c"
