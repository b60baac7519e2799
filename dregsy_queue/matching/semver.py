"""Versions and ranges as blang/semver v4 reads them, with its tolerant parsing of tags.

Source: semver.org 2.0.0 for precedence; blang/semver v4 for ranges.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import total_ordering

_MOST = 2**64 - 1
#: Most digits of a 64-bit number; a longer text is not taken for a number.
_NUMERIC = re.compile(r"0|[1-9][0-9]{0,19}")
_IDENTIFIERS = re.compile(r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*")


@total_ordering
@dataclass(frozen=True)
class Version:
    """A version, compared and ordered by precedence: build metadata do not count."""

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()
    build: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> Version:
        """Strictly ``major.minor.patch[-pre][+build]``. Raises: ValueError."""
        core, plus, build = text.partition("+")
        core, dash, pre = core.partition("-")
        numbers = core.split(".")
        if len(numbers) != 3 or not all(map(_is_number, numbers)):
            raise ValueError(f"'{text}' is not a version of the form major.minor.patch")
        if (plus and not _IDENTIFIERS.fullmatch(build)) or (dash and not _IDENTIFIERS.fullmatch(pre)):
            raise ValueError(f"'{text}' has an invalid pre-release or build part")
        identifiers = tuple(pre.split(".")) if dash else ()
        if any(part.isdigit() and not _is_number(part) for part in identifiers):
            raise ValueError(f"'{text}' has a numeric pre-release part with a leading zero or above 64 bits")
        major, minor, patch = map(int, numbers)
        return cls(major, minor, patch, identifiers, build)

    @classmethod
    def parse_tolerant(cls, text: str) -> Version | None:
        """As tags are written: ``v`` prefix, leading zeros, ``1`` and ``1.2`` are fine. None if it is not a version.

        A shortened version takes no suffix: ``1.2-alpine`` is no version.
        """
        text = text.strip().removeprefix("v")
        parts = text.split(".", 2)
        parts = [_without_zeros(part) for part in parts]
        if len(parts) < 3:
            if any(mark in parts[-1] for mark in "+-"):
                return None
            parts += ["0"] * (3 - len(parts))
        try:
            return cls.parse(".".join(parts))
        except ValueError:
            return None

    @property
    def precedence(self) -> tuple[object, ...]:
        """Orders as semver.org §11 says: no pre-release is highest, numeric identifiers are below others."""
        pre = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return (self.major, self.minor, self.patch, not self.pre, pre)

    def __lt__(self, other: Version) -> bool:
        return self.precedence < other.precedence


def _is_number(text: str) -> bool:
    return _NUMERIC.fullmatch(text) is not None and int(text) <= _MOST


def _without_zeros(part: str) -> str:
    if len(part) < 2:
        return part
    stripped = part.lstrip("0")
    return stripped if stripped and stripped[0].isdigit() else "0" + stripped


_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    "": operator.eq,
    "=": operator.eq,
    "==": operator.eq,
    "!": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Range:
    """Alternatives of conditions that must all hold."""

    text: str
    _alternatives: tuple[tuple[Callable[[Version], bool], ...], ...] = field(repr=False, compare=False)

    def matches(self, version: Version) -> bool:
        return any(all(holds(version) for holds in conditions) for conditions in self._alternatives)


def parse_range(text: str) -> Range:
    """Comparators ``< <= > >= = == ! !=`` (none: equal) before full versions; a space is and, ``||`` is or.

    ``1.x`` and ``1.2.x`` are wildcards. Raises: ValueError with one sentence.
    """
    alternatives: list[list[str]] = [[]]
    for token in _tokens(text):
        if token == "||":  # noqa: S105
            alternatives.append([])
        else:
            alternatives[-1] += _without_wildcards(token, text)
    if not all(alternatives):
        raise ValueError(f"'{text}' is not a semver range: there is nothing to compare with; try '>=1.2.3 <2.0.0'")
    return Range(text, tuple(tuple(_condition(token, text) for token in tokens) for tokens in alternatives))


def _tokens(text: str) -> list[str]:
    """Split at spaces, but not behind a comparator. Tokens of a single byte vanish, as in blang/semver."""
    tokens, current, last = [], "", ""
    for char in text:
        if char == " " and last not in (">", "<", "="):
            tokens.append(current)
            current = ""
        else:
            current += char
        if char != " ":
            last = char
    tokens.append(current)
    return [token.replace(" ", "") for token in tokens if len(token.encode(errors="replace")) > 1]


def _split(token: str, text: str) -> tuple[str, str]:
    digit = re.search(r"[0-9]", token)
    if digit is None:
        raise ValueError(f"'{text}' is not a semver range: '{token}' has no version; try '>=1.2.3 <2.0.0'")
    return token[: digit.start()], token[digit.start() :]


def _without_wildcards(token: str, text: str) -> list[str]:
    if "x" not in token:
        return [token]
    comparator, version = _split(token, text)
    parts = version.split(".")
    flat = version.replace(".x.x", ".x", 1).replace(".x", ".0", 1)
    if flat.count(".") == 1:
        flat += ".0"
    above = ""
    if parts[-1] == "x" and len(parts) in (2, 3):
        base = Version.parse(flat) if _is_version(flat) else None
        if base:
            above = f"{base.major}.{base.minor + 1}.0" if len(parts) == 3 else f"{base.major + 1}.0.0"
    table = {
        ">": [">=" + above],
        ">=": [">=" + flat],
        "<": ["<" + flat],
        "<=": ["<" + above],
        "": [">=" + flat, "<" + above],
        "=": [">=" + flat, "<" + above],
        "==": [">=" + flat, "<" + above],
        "!": ["<" + flat, ">=" + above],
        "!=": ["<" + flat, ">=" + above],
    }
    if comparator not in table:
        raise ValueError(f"'{text}' is not a semver range: '{comparator}' is not a comparator")
    if any(condition in ("<", ">=") for condition in table[comparator]):
        raise ValueError(f"'{text}' is not a semver range: a wildcard is '1.x' or '1.2.x', not '{version}'")
    return table[comparator]


def _is_version(text: str) -> bool:
    try:
        Version.parse(text)
    except ValueError:
        return False
    return True


def _condition(token: str, text: str) -> Callable[[Version], bool]:
    comparator, number = _split(token, text)
    if comparator not in _COMPARISONS:
        raise ValueError(f"'{text}' is not a semver range: '{comparator}' is not a comparator; try '>=1.2.3 <2.0.0'")
    try:
        version = Version.parse(number)
    except ValueError as error:
        raise ValueError(f"'{text}' is not a semver range: {error}; try '>=1.2.3 <2.0.0'") from None
    compare = _COMPARISONS[comparator]
    return lambda other: compare(other, version)
