"""A group of commands that are loaded when they are called: `--help`, `--version` and probes start fast."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from dregsy_queue.loading import loading

#: By command: the module that has it, under its own name, and what `--help` says of it.
Section = Mapping[str, tuple[str, str]]


class LazyGroup(click.Group):
    """`sections`: title → commands, in the order of the help page."""

    def __init__(self, *args: Any, sections: Mapping[str, Section], **kwargs: Any) -> None:  # noqa: ANN401 - click's
        super().__init__(*args, **kwargs)
        self._sections = sections
        self._known = {name: module for section in sections.values() for name, (module, _) in section.items()}

    def list_commands(self, _: click.Context) -> list[str]:
        return list(self._known)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in self._known:
            return None
        with loading():
            command = getattr(import_module(self._known[name]), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = arguments[0]
        if name not in self._known and not name.startswith("-") and not context.resilient_parsing:
            raise click.UsageError(f"No such command '{name}'.{did_you_mean(name, self._known)}", context)
        return super().resolve_command(context, arguments)

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        widest = max(map(len, self._known))
        for title, commands in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), text) for name, (_, text) in commands.items()])


def did_you_mean(name: str, known: Mapping[str, object] | list[str], mark: str = "") -> str:
    """`` Did you mean 'status'?``, with `mark` before the name; empty when nothing is near."""
    near = difflib.get_close_matches(name, known, 1)
    return f" Did you mean '{mark}{near[0]}'?" if near else ""
