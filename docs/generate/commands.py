"""The command line reference: each command's own help page."""

from __future__ import annotations

import re

import click

from dregsy_queue.cli.group import group

_TOP = """# Command line

*Which commands and options are there?* Made from the commands themselves: `dregsy COMMAND --help` shows the same.

Exit codes are the same for all commands: see [Exit codes](../troubleshooting.md#exit-codes).
"""


def page() -> str:
    """The whole page as Markdown."""
    with click.Context(group, info_name="dregsy", help_option_names=["-h", "--help"]) as context:
        texts = [_TOP, _section("dregsy", group, context)]
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=context) as inner:
                texts.append(_section(f"dregsy {name}", command, inner))
    return "\n".join(texts)


def _section(title: str, command: click.Command, context: click.Context) -> str:
    context.max_content_width = context.terminal_width = 100
    help_page = re.sub(r"[ \t]+$", "", command.get_help(context), flags=re.MULTILINE)
    return f"## {title}\n\n```text\n{help_page}\n```\n"
