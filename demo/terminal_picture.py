"""A picture of a terminal, from what a program wrote to it."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

#: What a live display writes to draw itself anew: column 0, line up, line cleared, cursor hidden or shown.
_CONTROLS = re.compile(r"(\r|\x1b\[1A|\x1b\[2K|\x1b\[\?25[lh]|\n)")


def draw(screen: str, to: Path, columns: int) -> None:
    """`screen`: lines, with the colours of a terminal."""
    console = Console(record=True, width=columns, file=io.StringIO())
    console.print(Text.from_ansi(screen))
    svg = console.export_svg(title="dregsy", theme=MONOKAI)
    # The picture asks no other host for a font.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "monospace")
    to.write_text(svg)


def shown_after(command: Sequence[str], seconds: float, environment: dict[str, str]) -> str:
    """What a terminal shows when `command` has run for so long; it is ended then by Ctrl-C."""
    ours, its = pty.openpty()
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True)
    os.close(its)
    written, ends = b"", time.monotonic() + seconds
    while time.monotonic() < ends and process.poll() is None:
        if select.select([ours], [], [], 0.1)[0]:
            written += os.read(ours, 65536)
    process.terminate()
    while select.select([ours], [], [], 0.1)[0] or process.poll() is None:
        try:
            os.read(ours, 65536)
        except OSError:
            break
    process.wait()
    os.close(ours)
    return screen_of(written.decode(errors="replace"))


def screen_of(written: str) -> str:
    """The lines that stand on the screen in the end."""
    lines, row = [""], 0
    for part in _CONTROLS.split(written):
        match part:
            case "\n":
                row += 1
                lines += [""] * (row >= len(lines))
            case "\x1b[1A":
                row = max(0, row - 1)
            case "\x1b[2K":
                lines[row] = ""
            case "\r" | "\x1b[?25l" | "\x1b[?25h":
                pass
            case _:
                lines[row] += part
    return "\n".join(lines).rstrip()
