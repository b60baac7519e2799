"""A value of another tool's file, and where it stands: what has another type than it should is told by line and key."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dregsy_queue.config import yaml_lines
from dregsy_queue.config.load import Problem, dotted
from dregsy_queue.config.scalars import boolean


@dataclass(frozen=True)
class Given:
    """Each method that reads gives what is nearest to nothing where the type is wrong, and notes the problem."""

    tree: yaml_lines.Tree
    value: Any
    path: yaml_lines.Path = ()
    #: line and message by the key's place; shared by all values of a file
    wrong: dict[yaml_lines.Path, tuple[int, str]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Given:
        """Raises: yaml_lines.SyntaxProblem."""
        tree = yaml_lines.parse(text)
        return cls(tree, tree.value, wrong={path: (line, message) for line, path, message in tree.problems})

    def __bool__(self) -> bool:
        return bool(self.value)

    @property
    def where(self) -> str:
        """As ``sync[0].tags``."""
        return dotted(self.path)

    def problem(self, message: str) -> None:
        """Something is wrong with this value. The first problem of a value is kept."""
        self.wrong.setdefault(self.path, (self.tree.line(self.path), message))

    def problems(self, file: Path) -> list[Problem]:
        """All that was wrong so far, in the order of lines."""
        found = [Problem(file, line, dotted(path), message) for path, (line, message) in self.wrong.items()]
        return sorted(found, key=lambda problem: (problem.line, problem.key_path))

    def mapping(self) -> dict[str, Given]:
        if isinstance(self.value, dict):
            return {str(key): self._at(key, value) for key, value in self.value.items()}
        self._must_be("a mapping of keys")
        return {}

    def get(self, key: str) -> Given:
        """What `key` has; an empty value where it is missing."""
        return self.mapping().get(key, self._at(key, None))

    def items(self) -> list[Given]:
        if isinstance(self.value, list):
            return [self._at(number, value) for number, value in enumerate(self.value)]
        self._must_be("a list (lines that start with '- ')")
        return []

    def text(self) -> str:
        if isinstance(self.value, str):
            return str(self.value)
        self._must_be("text, not a list or a mapping")
        return ""

    def texts(self) -> list[str]:
        return [item.text() for item in self.items()]

    def number(self) -> float:
        """A finite number from 0 on."""
        try:
            number = float(self.text() or 0)
        except ValueError:
            number = math.nan
        if math.isfinite(number) and number >= 0:
            return number
        self.problem(f"must be a number from 0 on, not '{self.value}'")
        return 0

    def flag(self) -> bool:
        try:
            return self.value is not None and boolean(self.value)
        except ValueError as error:
            self.problem(str(error))
            return False

    def _at(self, key: Any, value: Any) -> Given:  # noqa: ANN401 - raw YAML
        return Given(self.tree, value, (*self.path, key), self.wrong)

    def _must_be(self, what: str) -> None:
        if self.value is not None:
            self.problem(f"must be {what}")
