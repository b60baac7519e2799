"""Go's regular expressions: RE2's syntax in linear time, and Go's way of replacing.

Source: Go's regexp and regexp/syntax packages.
"""

from __future__ import annotations

import re as python_re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import re2

#: Longest expression accepted, in characters.
LONGEST = 10_000
#: Memory that one compiled expression may take, in bytes.
_MEMORY = 16 * 1024 * 1024
#: An expression that begins with an operator, for example the glob ``*``.
_LEADING_OPERATOR = python_re.compile(r"\^?([*?+])\??")


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
    except UnicodeEncodeError:
        raise ValueError(f"{expression!a} is not a valid regular expression: it is not Unicode text") from None
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error.args[0]
        raise ValueError(f"'{expression}' is not a valid regular expression (Go syntax): {reason}") from None


@dataclass(frozen=True)
class Pattern:
    """An expression that matches whole texts."""

    expression: str
    _compiled: Any = field(repr=False, compare=False)

    def matches(self, text: str) -> bool:
        """True when the whole of `text` matches. What is no Unicode text (lone surrogates) matches nothing."""
        try:
            return self._compiled.fullmatch(text) is not None
        except UnicodeEncodeError:
            return False


def compile_pattern(expression: str) -> Pattern:
    """Compile an expression to match whole texts, with all its alternatives.

    Raises:
        ValueError: it is not RE2 syntax, or is too big.
    """
    operator = _LEADING_OPERATOR.match(expression)
    if operator is None:
        return Pattern(expression, _compile(expression))
    # dregsy puts a ^ in front, so that the operator is about that ^: behind * and ? the text may begin with anything.
    _compile("^" + expression.removeprefix("^"))
    rest = expression[operator.end() :]
    return Pattern(expression, _compile(rest if operator[1] == "+" else "(?s:.*)" + rest))


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
    """Go's ``Regexp.ReplaceAllString`` with a fixed expression, which is not anchored, and a fixed template."""

    expression: str
    template: str
    _compiled: Any = field(repr=False, compare=False)
    _names: Mapping[str, Sequence[int]] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, expression: str, template: str) -> Replacement:
        """Raises: ValueError."""
        return cls(expression, template, _compile(expression), group_names(expression))

    def apply(self, text: str) -> str:
        """Replace every match; an empty match right after another match does not count."""
        pieces, copied, position = [], 0, 0
        while position <= len(text):
            match = self._compiled.search(text, position)
            if match is None:
                break
            start, end = match.span()
            pieces.append(text[copied:start])
            if end > copied or start == 0:
                pieces.append(expand(self.template, match.group, self._names, self._compiled.groups))
            copied = end
            position = max(end, position + 1)
        return "".join([*pieces, text[copied:]])


#: The start of a group; and, first, what may hold a parenthesis that starts none: quotes, escapes, classes.
_GROUP = python_re.compile(
    r"\\Q.*?(?:\\E|\Z)|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]"
    r"|(?P<start>\()(?:\?P?<(?P<name>\w+)>|(?P<option>\?))?",
    python_re.DOTALL,
)


def group_names(expression: str) -> dict[str, list[int]]:
    """The numbers of the groups of each name, in order; Go lets several groups have one name."""
    names: dict[str, list[int]] = {}
    groups = (found for found in _GROUP.finditer(expression) if found["start"] and not found["option"])
    for number, group in enumerate(groups, start=1):
        if group["name"]:
            names.setdefault(group["name"], []).append(number)
    return names


_REFERENCE = python_re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
#: Go takes a name for a number without leading zeros only.
_NUMBER = python_re.compile(r"0|[1-9][0-9]{0,7}")


def expand(template: str, group: Callable[[int], str | None], names: Mapping[str, Sequence[int]], groups: int) -> str:
    """Go's ``Regexp.Expand``: ``$1``, ``${1}``, ``$name``, ``$$``; an unknown group is empty.

    A name is the longest run of letters, digits and underscores, so ``$1x`` is the group called ``1x``. Of several
    groups of one name, the first that took part in the match counts.
    """

    def value(reference: python_re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        numbers = [int(name)] if _NUMBER.fullmatch(name) else names.get(name, [])
        texts = (group(number) for number in numbers if number <= groups)
        return next((text for text in texts if text is not None), "")

    return _REFERENCE.sub(value, template)
