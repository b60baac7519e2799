"""dregsy's own call, ``dregsy -config=FILE -run=REGEX``, in terms of the `sync` sub-command.

Go's flag package takes one dash or two, and the value after ``=`` or as the next argument.
"""

from __future__ import annotations

from collections.abc import Sequence

_FLAGS = {"config": "--config", "run": "--run"}


def translate(arguments: Sequence[str]) -> list[str]:
    """`arguments` as click takes them; unchanged unless the first is one of dregsy's flags."""
    if not arguments or _flag(arguments[0]) is None:
        return list(arguments)
    translated = ["sync"]
    for argument in arguments:
        flag = _flag(argument)
        _, equals, value = argument.partition("=")
        translated.append(argument if flag is None else f"{flag}{equals}{value}")
    return translated


def _flag(argument: str) -> str | None:
    name = argument.partition("=")[0]
    for dashes in ("--", "-"):
        if name.startswith(dashes):
            return _FLAGS.get(name.removeprefix(dashes))
    return None
