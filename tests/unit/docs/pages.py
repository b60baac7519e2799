"""The documentation as parsed Markdown: links, anchors, code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
_MARKDOWN = MarkdownIt().enable("table")


class Code(NamedTuple):
    """A block or a span of code; `language` is empty for a span and for a block that names none."""

    page: str
    line: int
    language: str
    text: str
    block: bool

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    return tuple(_MARKDOWN.parse(page.read_text()))


def inline(page: Path) -> Iterator[tuple[int, Token]]:
    """Every inline token, with the line of its block."""
    line = 1
    for token in tokens(page):
        line = token.map[0] + 1 if token.map else line
        for child in token.children or ():
            yield line, child


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code(pages: list[Path] = PAGES) -> Iterator[Code]:
    """All code of all pages."""
    for page in pages:
        for token in tokens(page):
            if token.type in ("fence", "code_block") and token.map:
                yield Code(name(page), token.map[0] + 1, token.info.strip(), token.content, True)
        for line, child in inline(page):
            if child.type == "code_inline":
                yield Code(name(page), line, "", child.content, False)


@cache
def anchors(page: Path) -> frozenset[str]:
    """What a link to a heading of this page may say behind ``#``, as code forges and the site make it."""
    found: dict[str, int] = {}
    result = set()
    parsed = tokens(page)
    for token, text in pairwise(parsed):
        if token.type == "heading_open":
            words = "".join(child.content for child in text.children or () if child.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", words.lower().strip()).replace(" ", "-")
            found[slug] = found.get(slug, -1) + 1
            result.add(f"{slug}-{found[slug]}" if found[slug] else slug)
    return frozenset(result)
