"""Go's regular expressions: RE2's syntax in linear time, and Go's way of replacing.

Source: Go's regexp and regexp/syntax packages. A whole expression is anchored at both ends, with all its
alternatives.
"""

from __future__ import annotations

import re as python_re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import re2

#: Longest expression accepted, in characters.
LONGEST = 10_000
#: Memory that one compiled expression may take, in bytes.
_MEMORY = 16 * 1024 * 1024


def _options() -> Any:  # noqa: ANN401 - re2 has no types
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return options


_OPTIONS = _options()


def _compile(expression: str) -> Any:  # noqa: ANN401 - re2 has no types
    if len(expression) > LONGEST:
        raise ValueError(f"the regular expression has {len(expression)} characters; at most {LONGEST} are allowed")
    try:
        return re2.compile(expression, _OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(f"'{expression}' is not a valid regular expression (Go syntax): {reason}") from None


@dataclass(frozen=True)
class Pattern:
    """An expression that matches whole texts."""

    expression: str
    _compiled: Any

    def matches(self, text: str) -> bool:
        return self._compiled.search(text) is not None


def compile_pattern(expression: str) -> Pattern:
    """Compile an expression to match whole texts.

    Raises:
        ValueError: it is not RE2 syntax, or is too big.
    """
    if expression.startswith(("*", "?")):
        # dregsy writes a ^ in front, which the operator then makes optional: a lone * matches everything.
        return Pattern(expression, _compile(rf"(?:^{expression})\z"))
    _compile(expression)
    # \A and \z, as Go's ^ and $ without flags: no newline is skipped.
    return Pattern(expression, _compile(rf"\A(?:{expression})\z"))


@dataclass(frozen=True)
class Matcher:
    """A pattern that may be inverted by a leading ``!``: as in `-run`, ``regex:`` and ``keep:``."""

    pattern: Pattern
    inverted: bool

    @classmethod
    def parse(cls, text: str) -> Matcher:
        """White space around the text and after the ``!`` is dropped. Raises: ValueError."""
        text = text.strip()
        inverted = text.startswith("!")
        return cls(compile_pattern(text.removeprefix("!").strip()), inverted)

    def matches(self, text: str) -> bool:
        return self.pattern.matches(text) != self.inverted


@dataclass(frozen=True)
class Replacement:
    """Go's ``Regexp.ReplaceAllString`` with a fixed expression and template."""

    _compiled: Any
    template: str

    @classmethod
    def parse(cls, expression: str, template: str) -> Replacement:
        """Raises: ValueError."""
        return cls(_compile(expression), template)

    def apply(self, text: str) -> str:
        """Replace every match; an empty match right after another match is none."""
        pieces, copied, position = [], 0, 0
        while position <= len(text):
            match = self._compiled.search(text, position)
            if match is None:
                break
            start, end = match.span()
            pieces.append(text[copied:start])
            if end > copied or start == 0:
                pieces.append(expand(self.template, match.group, self._compiled.groupindex, self._compiled.groups))
            copied = end
            position = max(end, position + 1)
        return "".join([*pieces, text[copied:]])


_REFERENCE = python_re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


def expand(template: str, group: Callable[[int], str | None], names: dict[str, int], groups: int) -> str:
    """Go's ``Regexp.Expand``: ``$1``, ``${1}``, ``$name``, ``$$``; an unknown group is empty.

    A name is the longest run of letters, digits and underscores, so ``$1x`` is the group called ``1x``.
    """

    def value(reference: python_re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        number = int(name) if name.isascii() and name.isdigit() else names.get(name, -1)
        return (group(number) or "") if 0 <= number <= groups else ""

    return _REFERENCE.sub(value, template)
