"""YAML as a tree that knows its lines, with scalars as they were written."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import yaml

from dregsy_queue.errors import DregsyError

#: Most values in a config: aliases of aliases grow without bound.
MOST_VALUES = 200_000
#: Deepest nesting; a config needs six levels.
DEEPEST = 50

Path = tuple[str | int, ...]


class Scalar(str):
    """A scalar's raw text: ``1.10`` stays ``1.10``. `plain` is False when it was quoted."""

    __slots__ = ("plain",)
    plain: bool

    def __new__(cls, text: str, plain: bool = True) -> Scalar:
        scalar = super().__new__(cls, text)
        scalar.plain = plain
        return scalar


@dataclass
class Tree:
    """`value` is dicts, lists, `Scalar` and None; `lines` gives the line (from 1) of each path."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int, Path, str]] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class SyntaxProblem(DregsyError, ValueError):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]
    """Refuses deep nesting while it composes: libyaml's composer recurses, and overflows the stack."""

    _depth = 0

    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:  # noqa: ANN401
        self._depth += 1
        if self._depth > DEEPEST:
            raise SyntaxProblem(_line(current_node), f"nested more than {DEEPEST} levels deep")

    def ascend_resolver(self) -> None:
        self._depth -= 1


def _line(node: yaml.Node | None) -> int:
    return node.start_mark.line + 1 if node is not None else 1


def parse(text: str) -> Tree:
    """Parse the first document of `text`. An empty one is an empty mapping.

    Raises:
        SyntaxProblem: it is not YAML, or is too big or too deep.
    """
    loader = _Loader(text)
    try:
        node = loader.get_node() if loader.check_node() else None
    except yaml.MarkedYAMLError as error:
        raise _syntax_problem(error, text) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise SyntaxProblem(1, f"not valid YAML: {str(error).splitlines()[0]}") from None
    finally:
        loader.dispose()
    tree = Tree({})
    if node is not None:
        tree.value = _Builder(tree).build(node, (), 0)
    return tree


#: A text that begins with a sign that YAML has a meaning for.
_UNQUOTED = re.compile(r"(?:^|[-:,\[])\s+[>|*&!%@`][^\s]|[-:]\s+\*\s*$")


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> SyntaxProblem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    message = f"not valid YAML: {error.problem}"
    start = error.context_mark.line + 1 if error.context_mark else line
    if start < line:
        message += f", {error.context} that starts in line {start}"
    lines = text.splitlines()
    if mark and mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        message += "; indent with spaces, not with tabs"
    elif mark and mark.line < len(lines) and (_UNQUOTED.search(lines[mark.line]) or "values are not" in str(error)):
        message += "; put a text with ': ' in it, or that begins with a sign, in quotes"
    return SyntaxProblem(line, message)


class _Builder:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._count = 0

    def build(self, node: yaml.Node, path: Path, depth: int) -> Any:  # noqa: ANN401 - any YAML value
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > MOST_VALUES:
            raise SyntaxProblem(line, f"more than {MOST_VALUES} values, counting what aliases stand for")
        if depth > DEEPEST:
            raise SyntaxProblem(line, f"nested more than {DEEPEST} levels deep, or an alias stands for itself")
        self._tree.lines.setdefault(path, line)
        if isinstance(node, yaml.ScalarNode):
            if node.tag == "tag:yaml.org,2002:null":
                return None
            return Scalar(node.value, plain=not node.style)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        return self._mapping(node, path, depth)

    def _mapping(self, node: yaml.Node, path: Path, depth: int) -> dict[Hashable, Any]:
        result: dict[Hashable, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise SyntaxProblem(key_node.start_mark.line + 1, "a key must be plain text")
            line, key = key_node.start_mark.line + 1, key_node.value
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                continue
            here = (*path, key)
            if key in result:
                first = self._tree.lines[here]
                self._tree.problems.append((line, here, f"'{key}' stands here and in line {first}; keep one"))
                continue
            self._tree.lines[here] = line
            result[key] = self.build(value_node, here, depth + 1)
        for other in merged:
            if not isinstance(other, yaml.MappingNode):
                raise SyntaxProblem(other.start_mark.line + 1, "'<<' merges mappings only")
            for key, value in self._mapping_of(other, path, depth).items():
                result.setdefault(key, value)
        return result

    def _mapping_of(self, node: yaml.Node, path: Path, depth: int) -> dict[Hashable, Any]:
        if depth > DEEPEST:
            raise SyntaxProblem(node.start_mark.line + 1, f"nested more than {DEEPEST} levels deep")
        # Lines of what is merged in are those of the anchor, where no own key gave one already.
        inner = Tree({})
        builder = _Builder(inner)
        builder._count = self._count
        value: dict[Hashable, Any] = builder._mapping(node, path, depth + 1)
        self._count = builder._count
        for key_path, line in inner.lines.items():
            self._tree.lines.setdefault(key_path, line)
        return value
