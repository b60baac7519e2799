"""Where a mapping leads: from source paths to target paths."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dregsy_queue.matching.go_regex import Pattern, Replacement, compile_pattern

_REGEX = "regex:"


@dataclass(frozen=True)
class PathMapping:
    """A mapping's `from` and `to`. Paths start with one ``/`` and have no empty parts.

    Both sides may be ``regex:``: `from` matches whole names as the registry lists them; `to` is
    ``regex:EXPRESSION,TEMPLATE``, split at the first comma, and replaces every match in the source path, which
    starts with ``/``. Behind a ``regex:`` `from` a plain `to` is a prefix.
    """

    #: plain source path, or None when `pattern` selects from a list of repositories
    source: str | None
    pattern: Pattern | None
    #: plain target path (a prefix when `pattern` is set), or None
    target: str | None
    replacement: Replacement | None

    @classmethod
    def parse(cls, from_: str, to: str | None) -> PathMapping:
        """Raises: ValueError with one sentence."""
        from_, to = from_.strip(), (to or "").strip()
        if not from_.strip("/"):
            raise ValueError("mapping without 'From' path; name a repository, or 'regex:' and an expression")
        source, pattern, target, replacement = None, None, None, None
        if from_.startswith(_REGEX):
            pattern = compile_pattern(from_.removeprefix(_REGEX).strip())
        else:
            source = _path(from_)
        if to.startswith(_REGEX):
            expression, comma, template = to.removeprefix(_REGEX).partition(",")
            if not comma:
                raise ValueError(f"'to: {to}' has no replacement; write 'regex:EXPRESSION,REPLACEMENT'")
            replacement = Replacement.parse(expression.strip(), template.strip())
        elif to:
            target = _path(to)
        return cls(source, pattern, target, replacement)

    @property
    def needs_listing(self) -> bool:
        """True when the source's repositories must be listed."""
        return self.pattern is not None

    def pairs(self, repositories: Iterable[str] = ()) -> list[tuple[str, str]]:
        """Pairs of source path and target path, each once, in the order of `repositories`.

        Those are as a registry lists them, without leading ``/``; a plain `from` needs none.
        """
        if self.source is not None:
            sources = [self.source]
        else:
            assert self.pattern is not None
            matching = (normalize(name) for name in repositories if self.pattern.matches(name))
            sources = list(dict.fromkeys(matching))
        return [(source, self._target_of(source)) for source in sources]

    def lead(self, repository: str) -> str | None:
        """The target path of one source repository; None when it is not selected."""
        if self.pattern is not None:
            selected = self.pattern.matches(repository)
        else:
            selected = self.source == normalize(repository)
        return self._target_of(normalize(repository)) if selected else None

    def _target_of(self, source: str) -> str:
        if self.replacement is not None:
            return normalize(self.replacement.apply(source))
        if self.target is None:
            return source
        return normalize(self.target + source) if self.pattern is not None else self.target


def _path(text: str) -> str:
    path = normalize(text)
    if path == "/":
        raise ValueError(f"'{text}' names no repository")
    if " " in path or not path.isprintable():
        raise ValueError(f"{text!r} is not a repository path: it has a space or a control character")
    return path


def normalize(path: str) -> str:
    """One ``/`` at the start, none at the end, none doubled."""
    return "/" + re.sub("/{2,}", "/", path).strip("/")
