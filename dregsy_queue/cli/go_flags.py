"""dregsy's own call, ``dregsy -config=FILE -run=REGEX``, in terms of the `sync` sub-command.

Go's flag package takes one dash or two, and the value after ``=`` or as the next argument. It stops at the first
argument that is no flag; dregsy ignores that one and all behind it.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

_FLAGS = {"config": "--config", "run": "--run", "help": "--help"}
#: Options of `sync` that may stand beside dregsy's own and take the next argument as their value.
_WITH_VALUE = frozenset({"--config", "--run", "-c", "--workers", "--report", "--state", "--log-format"})
_KNOWN = (
    "config",
    "run",
    "help",
    "version",
    "h",
    "c",
    "once",
    "workers",
    "report",
    "state",
    "log-format",
    "v",
    "vv",
    "q",
    "qq",
)


def is_own_call(arguments: Sequence[str]) -> bool:
    """True where no sub-command comes first: such a call ends as dregsy's does, with 1 when it is wrong."""
    return not arguments or arguments[0].startswith("-")


def translate(arguments: Sequence[str]) -> list[str]:
    """`arguments` as click takes them; unchanged unless the first is one of dregsy's flags.

    Without a config file there is nothing left, as if there had been no argument at all.
    """
    if arguments and arguments[0] in ("-help", "--help"):
        return ["--help"]
    if arguments and arguments[0] == "-version":
        return ["--version"]
    if not arguments or _flag(arguments[0]) is None:
        return list(arguments)
    translated, index, config = ["sync"], 0, False
    while index < len(arguments) and arguments[index].startswith("-"):
        name, equals, value = arguments[index].partition("=")
        name = _flag(name) or name
        index += 1
        if name in _WITH_VALUE and not equals and index < len(arguments):
            equals, value = "=", arguments[index]
            index += 1
        config = config or (name in ("--config", "-c") and not (equals and not value))
        translated += [name, value] if name == "-c" and equals else [f"{name}{equals}{value}"]
    return translated if config or _asks_for_help(translated) else []


def unknown_flag(arguments: Sequence[str]) -> str:
    """What is wrong with the first unknown flag of dregsy's own call, and which one was meant; empty: nothing is."""
    if not is_own_call(arguments):
        return ""
    index = 0
    while index < len(arguments) and arguments[index].startswith("-"):
        written, equals, _ = arguments[index].partition("=")
        name = written.removeprefix("-").removeprefix("-")
        if name not in _KNOWN:
            near = difflib.get_close_matches(name, _KNOWN, 1)
            return f"No such option: {written}" + (f"; did you mean {_written(near[0])}?" if near else "")
        index += 1 if equals or (_flag(written) or written) not in _WITH_VALUE else 2
    return ""


def _written(name: str) -> str:
    return f"-{name}" if name in _FLAGS else f"--{name}"


def _asks_for_help(arguments: Sequence[str]) -> bool:
    return any(argument in ("-h", "--help") for argument in arguments)


def _flag(argument: str) -> str | None:
    name = argument.partition("=")[0]
    return _FLAGS.get(name.removeprefix("-").removeprefix("-")) if name.startswith("-") else None
