"""Answers as bytes: what no server library would send, and Go's reads all the same."""

from __future__ import annotations

from collections.abc import Callable

from tests.lab.odd.exchange import Answer, Ask, Next, Quirk
from tests.lab.odd.quirks import When

Write = Callable[[Ask, Answer], bytes]


def wired(when: When, write: Write) -> Quirk:
    """Sends what `write` makes of an answer, and hangs up."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        given = await following(ask)
        if when(ask):
            given.raw = write(ask, given)
        return given

    return quirk


def head(given: Answer, *more: str, line: str = "", end: str = "\r\n") -> bytes:
    """The head of an answer; `more` are lines, in front."""
    first = line or f"HTTP/1.1 {given.status} OK"
    lines = [first, *more, *(f"{name}: {value}" for name, value in given.headers.items())]
    return (end.join(lines) + end + end).encode("latin-1")


def body_of(ask: Ask, given: Answer) -> bytes:
    return b"" if ask.method == "HEAD" else given.body


def length(given: Answer) -> str:
    return f"Content-Length: {len(given.body)}"
