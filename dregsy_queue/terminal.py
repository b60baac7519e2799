"""Texts for terminals and pipes: nothing that comes from outside is taken for markup or control characters."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

# rich takes 40 ms of CPU to load, and most of this module does without it.
if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

#: Columns of texts where there is no terminal.
WIDTH = 80
#: Fewest columns in which texts are wrapped, and in which a name folds.
NARROWEST, NAME = 20, 8


def printable(text: str, keep: str = "\n\t") -> str:
    """`text` with its control characters shown escaped, but for those in `keep`."""
    return "".join(char if char.isprintable() or char in keep else ascii(char)[1:-1] for char in text)


def clean(text: object) -> str:
    """`text` on one line, with control characters shown escaped."""
    return printable(str(text), keep="")


def span(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3 h``, ``9 d``."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def moment(unix: float, now: float) -> str:
    """Local time of day, with the date where it is not today's."""
    there, here = time.localtime(unix), time.localtime(now)
    return time.strftime("%H:%M:%S" if there[:3] == here[:3] else "%Y-%m-%d %H:%M", there)


def size(number: float) -> str:
    """``17 B``, ``3.4 MB``: as SI has it."""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number:.0f} B"


def flow(total: int | None, rate: float | None) -> str:
    """``3.4 MB, 1.2 MB/s``: bytes that have moved, and per second if that is known; ``unknown bytes``: nobody tells."""
    if total is None:
        return "unknown bytes"
    return size(total) if rate is None else f"{size(total)}, {size(rate)}/s"


def fitted(source: str, target: str, width: int) -> str:
    """``source → target`` in so many columns: what is left out is the target's path, the target, then the middle of the
    source, never its tag."""
    registry = target.partition("/")[0]
    for text in (f"{source} → {target}", f"{source} → {registry}/…", source):
        if len(text) <= width:
            return text
    kept = max(2, width - 1)
    return f"{source[: kept // 3]}…{source[len(source) - (kept - kept // 3) :]}"


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def lines(text: str, *, style: str = "", indent: str = "", hang: int = 0) -> Iterator[Text]:
    """`text` in lines that fit, whole words and names kept."""
    from rich.text import Text

    width = max(NARROWEST, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))

    following = indent + " " * hang
    for line in textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=following, break_long_words=False, break_on_hyphens=False
    ) or [""]:
        yield Text(line, style=style, no_wrap=False, overflow="fold")


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    left: Sequence[int] = (0,),
    folds: Sequence[int] = (0,),
) -> RenderableType:
    """Columns of texts as they are; those in `left` stand left, and those in `folds` fold rather than lose letters.

    A row may end early. Where a terminal has too little room, each row becomes lines: what may fold, then the rest
    with headers.
    """
    from rich.text import Text

    cells = [[cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row] for row in rows]
    return _Table(headers, [row + [Text()] * (len(headers) - len(row)) for row in cells], left, folds)


class _Table:
    def __init__(
        self, headers: Sequence[str], rows: list[list[Text]], left: Sequence[int], folds: Sequence[int]
    ) -> None:
        self._headers, self._rows, self._left, self._folds = headers, rows, left, folds

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._least() <= options.max_width:
            yield self._table()
        else:
            for row in self._rows:
                yield from self._stacked(row)

    def _least(self) -> int:
        """The columns without which a name would be cut into shreds, or a number be cut."""
        total = 2 * (len(self._headers) - 1)
        for column, header in enumerate(self._headers):
            width = max(len(header), *(row[column].cell_len for row in self._rows), 0)
            total += min(width, max(NAME, len(header))) if column in self._folds else width
        return total

    def _table(self) -> Table:
        from rich.table import Table

        found = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0), collapse_padding=True)
        for column, header in enumerate(self._headers):
            found.add_column(
                header,
                justify="left" if column in self._left else "right",
                overflow="fold",
                no_wrap=column not in self._folds,
            )
        for row in self._rows:
            found.add_row(*row)
        return found

    def _stacked(self, row: list[Text]) -> Iterator[RenderableType]:
        from rich.padding import Padding
        from rich.text import Text

        yield Text("  ", overflow="fold").join(row[column] for column in self._folds)
        facts = [
            Text.assemble((f"{header} ", "bold"), row[column])
            for column, header in enumerate(self._headers)
            if column not in self._folds and row[column].plain
        ]
        yield Padding(Text(", ").join(facts), (0, 0, 0, 2))


def console(stream: TextIO | None = None) -> Console:
    """A console that interprets nothing. In a pipe lines are as long as names need, unless COLUMNS says."""
    from rich.console import Console

    stream = stream or sys.stdout
    wide = None if stream.isatty() or os.environ.get("COLUMNS") else 4000
    return Console(file=stream, width=wide, markup=False, highlight=False, emoji=False, soft_wrap=False)


def write(shown: Iterable[object], stream: TextIO | None = None) -> None:
    """Print renderables without blanks at the ends of lines."""
    target = console(stream)
    with target.capture() as captured:
        for part in shown:
            target.print(part)
    for line in captured.get().splitlines():
        (stream or sys.stdout).write(line.rstrip() + "\n")
