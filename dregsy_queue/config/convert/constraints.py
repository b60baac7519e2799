"""Version constraints of Masterminds/semver, which skopeo and others use, as ranges of blang/semver, which we use."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONDITION = re.compile(r"(?P<operator>!=|>=|=>|<=|=<|~>|[=<>~^]|)\s*v?(?P<version>[0-9xX*][^\s,|]*)")
_HYPHEN = re.compile(r"^\s*v?([0-9][^\s,]*)\s+-\s+v?([0-9][^\s,]*)\s*$")
_VERSION = re.compile(r"([0-9]+)(?:\.([0-9]+|[xX*]))?(?:\.([0-9]+|[xX*]))?(-[0-9A-Za-z.-]+)?(?:\+.*)?")


@dataclass(frozen=True)
class _Partial:
    """`numbers` are as many as the constraint names: one to three, or none for ``*``."""

    numbers: tuple[int, ...]
    pre: str = ""

    @property
    def lowest(self) -> str:
        return ".".join(map(str, (*self.numbers, 0, 0, 0)[:3])) + self.pre

    def above(self, part: int) -> str:
        """The first version with another number at `part` (0: major)."""
        numbers = [*self.numbers, 0, 0, 0][: part + 1]
        numbers[part] += 1
        return ".".join(map(str, (*numbers, 0, 0)[:3]))

    @property
    def whole(self) -> bool:
        return len(self.numbers) == 3

    @property
    def next(self) -> str:
        """The first version that the partial one does not mean."""
        return self.above(len(self.numbers) - 1)


def as_range(constraint: str) -> str:
    """What stands behind ``semver:``. Raises: ValueError: it cannot be said as a range."""
    return " || ".join(_alternative(part, constraint) for part in constraint.split("||"))


def allows_pre_releases(constraint: str) -> bool:
    """Masterminds lets pre-releases match only where the constraint names one."""
    return re.search(r"[0-9xX*]-[0-9A-Za-z]", constraint) is not None


def _alternative(text: str, whole: str) -> str:
    if hyphen := _HYPHEN.match(text):
        low, high = _partial(hyphen[1], whole), _partial(hyphen[2], whole)
        return f">={low.lowest} " + (f"<={high.lowest}" if high.whole else f"<{high.next}")
    if _CONDITION.sub("", text).strip(" ,"):
        raise ValueError(f"the version constraint '{whole}' is not understood")
    found = [
        _condition(match["operator"], _partial(match["version"], whole), whole) for match in _CONDITION.finditer(text)
    ]
    if not found:
        raise ValueError(f"the version constraint '{whole}' is empty")
    return " ".join(found)


def _condition(operator: str, version: _Partial, whole: str) -> str:
    if not version.numbers:
        return ">=0.0.0"
    if operator in ("", "="):
        return f"={version.lowest}" if version.whole else f">={version.lowest} <{version.next}"
    if operator == ">":
        return f">{version.lowest}" if version.whole else f">={version.next}"
    if operator in ("<=", "=<"):
        return f"<={version.lowest}" if version.whole else f"<{version.next}"
    if operator in (">=", "=>"):
        return f">={version.lowest}"
    if operator == "<":
        return f"<{version.lowest}"
    if operator in ("~", "~>"):
        return f">={version.lowest} <{version.above(min(1, len(version.numbers) - 1))}"
    if operator == "^":
        part = next((at for at, number in enumerate(version.numbers) if number), len(version.numbers) - 1)
        return f">={version.lowest} <{version.above(part)}"
    if version.whole:
        return f"!={version.lowest}"
    raise ValueError(f"the version constraint '{whole}' is not understood: '!=' needs a whole version")


def _partial(text: str, whole: str) -> _Partial:
    if text in ("x", "X", "*"):
        return _Partial(())
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"the version constraint '{whole}' is not understood: '{text}' is not a version")
    numbers = []
    for part in (match[1], match[2], match[3]):
        if part is None or not part.isdigit():
            break
        numbers.append(int(part))
    return _Partial(tuple(numbers), match[4] or "")
