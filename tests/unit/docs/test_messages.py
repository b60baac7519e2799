"""Every message that the code can say is in docs/troubleshooting.md, and what is there the code says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.unit.docs.pages import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
_LEVELS = frozenset({"info", "warning", "error", "exception", "critical"})
_FORMAT = re.compile(r"%(?:\.\d+f|[sd])|…")
#: Raised for programmers, or turned into another text before anybody sees them.
_INTERNAL = frozenset({"AssertionError", "PlanLostError", "Answer"})


def _text(node: ast.expr) -> str:
    """A literal with … for what is filled in; empty where there is none."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for folder in ("dregsy_queue", "workers"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            yield str(file.relative_to(ROOT)), ast.parse(file.read_text())


def _said(node: ast.AST) -> bool:
    """Is this a log call, or does it make an error?"""
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "log":
            return node.func.attr in _LEVELS
        return node.func.attr.endswith(("Error", "Exception"))
    named = node.func.id if isinstance(node.func, ast.Name) else ""
    return named.endswith(("Error", "Problem")) and named not in _INTERNAL


def messages() -> dict[str, str]:
    """Message → where it stands; those that are sentences, not names or only what is filled in."""
    found = {}
    for file, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _said(node):
                text = _text(node.args[0]) if node.args else ""
                if len(_FORMAT.sub("", text).strip(" :.()'")) > 8:
                    found[text] = f"{file}:{node.lineno}"
    return found


def _pattern(told: str) -> re.Pattern[str]:
    return re.compile(".*?".join(re.escape(part) for part in _FORMAT.split(told)))


def told() -> list[str]:
    """Messages of the page: code in the first column of its tables, and in the text of the section on configs."""
    section = PAGE[PAGE.index("## Messages: registries") :]
    cells = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    texts = [line for line in section.splitlines() if not line.startswith("|")]
    found = [text for part in (*cells, "\n".join(texts)) for text in re.findall(r"`([^`]+)`", part)]
    return [text for text in found if len(_FORMAT.sub("", text).strip(" :.()'")) > 8]


def test_every_message_is_explained() -> None:
    patterns = [_pattern(text) for text in told()]
    missing = {text: where for text, where in messages().items() if not any(found.search(text) for found in patterns)}
    assert len(messages()) > 100
    assert missing == {}, "add a row to docs/troubleshooting.md: what it means and what to do"


def test_every_explained_message_is_said() -> None:
    strings = {
        text for _, tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.expr) and (text := _text(node))
    }
    others = ("Missing option", "No such option")  # click's own
    gone = [text for text in told() if not text.startswith(others) and not any(map(_pattern(text).search, strings))]
    assert gone == [], "docs/troubleshooting.md has messages that nothing says any more"
