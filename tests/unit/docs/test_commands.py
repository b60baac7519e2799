"""Commands in the documentation exist, with these options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from dregsy_queue.cli.go_flags import translate, unknown_flag
from dregsy_queue.cli.group import group
from tests.unit.docs.pages import ROOT, Code, code

#: Where a call ends in a line of shell: a pipe, a redirection, a comment, the next command.
_END = re.compile(r"\s(?:\||\|\||&&|>|>>|2>|<|#|;|&|→|…$)(?:\s|$)|\s{2,}|[;&]$|\)(?:\s|$)|$")
_CALL = re.compile(r"(?<!-n)(?:^|[\s(/])dregsy (?=[a-z-])")
_HELP = ROOT / "docs" / "reference" / "cli.md"


def _calls(found: Code) -> Iterator[str]:
    """The arguments of each call of `dregsy` in a piece of code."""
    for line in found.text.replace("\\\n", " ").splitlines():
        text = line.removeprefix("$ ").strip()
        if found.block and not re.match(r"[A-Z_]+=|[a-z.@/]+(?: |$)|\./", text):
            continue
        for match in _CALL.finditer(text):
            rest = text[match.end() :]
            ending = _END.search(rest)
            yield rest[: ending.start()] if ending else rest


CALLS = [
    pytest.param(arguments, found.block, id=f"{found.place} {arguments}")
    for found in code()
    if found.language in ("", "sh", "bash", "console", "text") and found.page != str(_HELP.relative_to(ROOT))
    for arguments in _calls(found)
]


@pytest.mark.parametrize(("text", "whole"), CALLS)
def test_a_call_of_dregsy_is_understood(text: str, whole: bool) -> None:
    """`whole`: it can be pasted; within a sentence the value of an option may be left out."""
    arguments = shlex.split(re.sub(r"[\[\]]", "", text), comments=True)
    assert unknown_flag(arguments) == ""
    name, *rest = translate(arguments) or ["--help"]
    if name.startswith("-"):
        assert name in ("--help", "-h", "--version")
        return
    context = click.Context(group, info_name="dregsy")
    command = group.get_command(context, name)
    assert command is not None, f"there is no command {name}"
    with click.Context(command, info_name=name, parent=context, help_option_names=["-h", "--help"]) as inner:
        try:
            command.make_parser(inner).parse_args(rest)
        except click.BadOptionUsage as error:
            assert not whole, error.message


def test_there_are_calls() -> None:
    assert len(CALLS) > 40


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for found in code() for target in re.findall(r"(?:^|\n)make ([a-z-]+)", found.text)}
    assert "demo" in named
    assert named - targets == set()


def test_every_command_is_told_in_a_page_besides_the_reference() -> None:
    names = set(group.list_commands(click.Context(group)))
    told = {str(parameter.values[0]).split(" ")[0] for parameter in CALLS}
    assert names - told - {"completion"} == set()
