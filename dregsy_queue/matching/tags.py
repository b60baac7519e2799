"""Which tags a mapping selects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dregsy_queue.matching.go_regex import Matcher
from dregsy_queue.matching.semver import Range, Version, parse_range
from dregsy_queue.oci.digest import Digest, is_registered
from dregsy_queue.oci.reference import is_tag

#: What stands behind "keep:"; without the first space it is an expression.
_LATEST = re.compile(r"\s+latest\s+([0-9]+)")
#: Meant as `_LATEST`: no tag has white space, so it is of no use as an expression.
_NO_LATEST = re.compile(r"\s*latest\s+.*", re.DOTALL)
_LATEST_HELP = "it needs a number from 1 on; write for example 'keep: latest 5'"
_LONGEST_COUNT = 18


@dataclass(frozen=True)
class TagItem:
    """One image to take from a repository: by tag, or by digest. A digest may have a name it is pushed under."""

    tag: str | None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> TagItem:
        """``tag``, ``sha256:…`` or ``tag@sha256:…``. Raises: ValueError with one sentence that names it."""
        name, at, digest = text.removeprefix(":").partition("@")
        if not at and name.startswith(("sha256:", "sha512:")):
            name, at, digest = "", "@", name
        if at and not is_registered(digest):
            raise ValueError(
                f"tag '{text}' is not valid: a digest is 'sha256:' and 64 hex digits, or 'sha512:' and 128"
            )
        if not (name or at):
            raise ValueError(f"tag '{text}' is not a valid tag: it is empty")
        if name and not is_tag(name):
            raise ValueError(
                f"tag '{text}' is not a valid tag: letters, digits, '_', '.' and '-', at most 128, the first none of "
                "'.' and '-'; or did you mean 'semver:', 'regex:' or 'keep:'?"
            )
        return cls(name or None, Digest(digest) if at else None)

    def __str__(self) -> str:
        return "@".join(part for part in (self.tag, self.digest) if part)


@dataclass(frozen=True)
class TagSet:
    """A mapping's `tags`: items are ORed, then filtered by ``keep:``."""

    verbatim: tuple[TagItem, ...] = ()
    ranges: tuple[Range, ...] = ()
    regexes: tuple[Matcher, ...] = ()
    keep: tuple[Matcher, ...] = ()
    #: how many of the highest versions stay; 0: no limit
    latest: int = 0

    @classmethod
    def parse(cls, items: Sequence[str]) -> TagSet:
        """Raises: ValueError with one sentence that names the item."""
        verbatim, ranges, regexes, keep, latest = [], [], [], [], 0
        for item in map(str.strip, items):
            kind, colon, rest = item.partition(":")
            if not colon or kind not in ("semver", "regex", "keep"):
                verbatim.append(TagItem.parse(item))
                continue
            try:
                if kind == "semver":
                    ranges.append(parse_range(rest.strip()))
                elif kind == "regex":
                    regexes.append(Matcher.parse(rest))
                elif count := _LATEST.fullmatch(rest):
                    latest = _count(count[1])
                elif _NO_LATEST.fullmatch(rest):
                    raise ValueError(_LATEST_HELP)
                else:
                    keep.append(Matcher.parse(rest))
            except ValueError as error:
                raise ValueError(f"tag '{item}': {error}") from None
        return cls(tuple(verbatim), tuple(ranges), tuple(regexes), tuple(keep), latest)

    @property
    def needs_listing(self) -> bool:
        """False when the registry's tags do not matter: only verbatim items."""
        return bool(self.ranges or self.regexes) or not self.verbatim

    def select(self, tags: Iterable[str]) -> list[TagItem]:
        """The selected images, each once, in the byte order of their texts.

        `tags` are those of the source repository; they do not matter when `needs_listing` is False. Verbatim items
        are exempt from ``keep: EXPRESSION``, but count for ``keep: latest N``.
        """
        candidates = {tag for tag in tags if self._wanted(tag)} if self.needs_listing else set()
        kept = {TagItem(tag) for tag in candidates if all(keep.matches(tag) for keep in self.keep)}
        items = sorted(kept | set(self.verbatim), key=str)
        return self._newest(items) if self.latest else items

    def may_select(self, item: TagItem) -> bool:
        """Whether `select` takes this image; ``keep: latest N``, which depends on all tags, is not looked at."""
        if item in self.verbatim:
            return True
        tag = item.tag if item.digest is None else None
        listed = tag is not None and self.needs_listing and self._wanted(tag)
        return listed and all(keep.matches(tag or "") for keep in self.keep)

    def _wanted(self, tag: str) -> bool:
        if not (self.ranges or self.regexes):
            return True
        if any(regex.matches(tag) for regex in self.regexes):
            return True
        version = Version.parse_tolerant(tag) if self.ranges else None
        return version is not None and any(range_.matches(version) for range_ in self.ranges)

    def _newest(self, items: list[TagItem]) -> list[TagItem]:
        versions = [(version, item) for item in items if (version := _version(item)) is not None]
        if not versions:
            return items[-self.latest :]
        # Of equal precedence the higher name wins, so that every run selects the same.
        versions.sort(key=lambda pair: (pair[0].precedence, str(pair[1])))
        dropped = {item for _, item in versions[: -self.latest]}
        return [item for item in items if item not in dropped]


def _version(item: TagItem) -> Version | None:
    return None if item.digest else Version.parse_tolerant(item.tag or "")


def _count(digits: str) -> int:
    if len(digits) > _LONGEST_COUNT:
        raise ValueError(f"the count has more than {_LONGEST_COUNT} digits")
    if not int(digits):
        raise ValueError(_LATEST_HELP)
    return int(digits)
