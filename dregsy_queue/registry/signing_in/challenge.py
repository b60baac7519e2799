"""What a registry wants before it answers: WWW-Authenticate (RFC 9110 §11.6.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Characters of a header that are read; a challenge is some hundred long.
_LONGEST = 16 * 1024
_SEPARATORS = ' \t,"=()<>@;:\\/[]?{}'


@dataclass(frozen=True)
class Challenge:
    """`scheme` is ``basic`` or ``bearer``; the rest is empty where the registry does not say."""

    scheme: str
    realm: str = ""
    service: str = ""
    #: what the registry itself says a token must be good for; several are separated by spaces
    scope: str = ""


def parse_challenges(headers: Sequence[str]) -> Challenge | None:
    """The challenge to answer: Bearer before Basic, wherever they stand; None when there is none that we know.

    One header line may hold several challenges. Linear in the length of the headers.
    """
    found: dict[str, Challenge] = {}
    left = _LONGEST
    for header in headers:
        for scheme, values in _challenges(header[: max(0, left)]):
            challenge = Challenge(scheme, values.get("realm", ""), values.get("service", ""), values.get("scope", ""))
            found.setdefault(scheme, challenge)
        left -= len(header)
    bearer = found.get("bearer")
    return bearer if bearer and bearer.realm else found.get("basic")


def _challenges(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each challenge of a line: its scheme in lower case, and its parameters."""
    scheme, values = "", dict[str, str]()
    position = 0
    while position < len(header):
        if header[position] in " \t,":
            position += 1
            continue
        name, position = _token(header, position)
        if not name:
            # not a token: skip it
            position += 1
            continue
        after = _skip_blanks(header, position)
        if after < len(header) and header[after] == "=" and scheme:
            value, position = _value(header, _skip_blanks(header, after + 1))
            values.setdefault(name.lower(), value)
        else:
            if scheme:
                yield scheme, values
            scheme, values = name.lower(), {}
    if scheme:
        yield scheme, values


def _token(header: str, start: int) -> tuple[str, int]:
    end = start
    while end < len(header) and header[end] not in _SEPARATORS:
        end += 1
    return header[start:end], end


def _skip_blanks(header: str, start: int) -> int:
    while start < len(header) and header[start] in " \t":
        start += 1
    return start


def _value(header: str, start: int) -> tuple[str, int]:
    """A quoted string, or, as some servers write them, anything up to the next comma."""
    if start >= len(header) or header[start] != '"':
        end = start
        while end < len(header) and header[end] not in ", \t":
            end += 1
        return header[start:end], end
    text: list[str] = []
    position = start + 1
    while position < len(header) and header[position] != '"':
        if header[position] == "\\" and position + 1 < len(header):
            position += 1
        text.append(header[position])
        position += 1
    return "".join(text), position + 1
