"""Bearer tokens are fetched once for many requests, and renewed before they expire."""

from __future__ import annotations

import asyncio
import json

import pytest

from dregsy_queue.registry.signing_in.tokens import DEFAULT_LIFE, LONGEST_LIFE, Token, TokenCache, parse_token
from tests.lab.clock import FakeClock


@pytest.mark.parametrize(
    ("said", "renewed_after"),
    [(100, 90), (3600, 3570), ("300", 270), (None, DEFAULT_LIFE * 0.9), (-5, DEFAULT_LIFE * 0.9), ("soon", 54)],
)
def test_a_tenth_of_its_life_or_half_a_minute_is_left(said: object, renewed_after: float) -> None:
    assert parse_token(json.dumps({"token": "t", "expires_in": said}).encode()).renew_after == renewed_after


def test_no_token_is_kept_longer_than_a_day() -> None:
    assert parse_token(b'{"access_token": "t", "expires_in": 1e9}').renew_after < LONGEST_LIFE


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 5}', b"[" * 100_000])
def test_an_answer_without_a_token_is_an_error_that_shows_nothing_of_it(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"the token server's answer holds no token$"):
        parse_token(body)


async def test_many_that_want_a_token_fetch_it_once_until_it_is_nearly_over() -> None:
    clock, fetched = FakeClock(), 0
    cache = TokenCache(clock)

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(0)
        return Token(f"t{fetched}", 90)

    first = await asyncio.gather(*(cache.fetch("pull", None, fetch) for _ in range(50)))
    assert {token.text for token in first} == {"t1"}
    clock.now += 89
    assert cache.get("pull") == first[0] and cache.get("push") is None
    assert (await cache.fetch("pull", first[0], fetch)).text == "t2", "one that was refused is not handed out again"
    clock.now += 91
    assert cache.get("pull") is None
    assert (await cache.fetch("pull", None, fetch)).text == "t3"
