"""Who may give orders on the page, and from where."""

from __future__ import annotations

import pytest

from dregsy_queue.serve.page.session import Session, same_origin


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        (None, True),
        ("http://page.example:8480", True),
        ("https://page.example:8480", True),
        ("http://page.example", False),
        ("http://evil.example", False),
        ("null", False),
        ("http://[page.example:8480", False),
    ],
)
def test_only_forms_of_this_page_give_orders(origin: str | None, good: bool) -> None:
    headers = {"Host": "page.example:8480", **({"Origin": origin} if origin else {})}
    assert same_origin(headers) is good


def test_a_cookie_is_good_until_it_ends_and_only_with_its_token() -> None:
    session, cookie = Session("token"), {Session.COOKIE: Session("token").cookie()}
    assert session.allowed({}, cookie) and not Session("other").allowed({}, cookie)
    assert session.allowed({"Authorization": "Bearer token"}, {}) and not session.allowed({}, {})
    assert not Session("").allowed({"Authorization": "Bearer "}, {}), "without a token nobody may"
    ends, _, sign = cookie[Session.COOKIE].partition(".")
    assert not session.allowed({}, {Session.COOKIE: f"{int(ends) + 1}.{sign}"})
