"""Which tags a mapping selects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dregsy_queue.matching.patterns import Matcher
from dregsy_queue.matching.semver import Range, Version, parse_range

#: OCI distribution-spec, "Pulling manifests": what a tag may look like.
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
#: OCI image-spec, "Digests".
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")
_LATEST = re.compile(r"keep:\s+latest\s+([0-9]+)")


def is_tag(text: str) -> bool:
    """True for a valid tag name."""
    return _TAG.fullmatch(text) is not None


@dataclass(frozen=True, order=True)
class TagItem:
    """One image to take from a repository: by tag, or by digest. A digest may have a name it is pushed under."""

    tag: str | None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> TagItem:
        """``tag``, ``sha256:…`` or ``tag@sha256:…``. Raises: ValueError."""
        name, at, digest = text.partition("@")
        if not at and text.startswith(("sha256:", "sha512:")):
            name, digest = "", text
        if digest or at:
            if not _DIGEST.fullmatch(digest):
                raise ValueError(f"'{text}' has no valid digest: write 'sha256:' and 64 hex digits")
            if name and not is_tag(name):
                raise ValueError(f"'{name}' in '{text}' is not a valid tag")
            return cls(name or None, digest)
        if not is_tag(text):
            raise ValueError(
                f"'{text}' is not a valid tag: letters, digits, '_', '.' and '-', at most 128; "
                "or did you mean 'semver:', 'regex:' or 'keep:'?"
            )
        return cls(text)

    def __str__(self) -> str:
        return "@".join(part for part in (self.tag, self.digest) if part)


@dataclass(frozen=True)
class TagSet:
    """A mapping's `tags`: items are ORed, then filtered by ``keep:``."""

    verbatim: tuple[TagItem, ...] = ()
    ranges: tuple[Range, ...] = ()
    regexes: tuple[Matcher, ...] = ()
    keep: tuple[Matcher, ...] = ()
    #: 0: no limit
    latest: int = field(default=0)

    @classmethod
    def parse(cls, items: Sequence[str]) -> TagSet:
        """Raises: ValueError with one sentence that names the item."""
        verbatim, ranges, regexes, keep, latest = [], [], [], [], 0
        for item in map(str.strip, items):
            count = _LATEST.fullmatch(item)
            try:
                if item.startswith("semver:"):
                    ranges.append(parse_range(item.removeprefix("semver:").strip()))
                elif item.startswith("regex:"):
                    regexes.append(Matcher.parse(item.removeprefix("regex:")))
                elif count:
                    latest = int(count[1])
                elif item.startswith("keep:"):
                    keep.append(Matcher.parse(item.removeprefix("keep:")))
                else:
                    verbatim.append(TagItem.parse(item))
            except ValueError as error:
                raise ValueError(f"tag '{item}': {error}") from None
        return cls(tuple(verbatim), tuple(ranges), tuple(regexes), tuple(keep), latest)

    @property
    def needs_listing(self) -> bool:
        """False when the registry's tags do not matter: only verbatim items."""
        return bool(self.ranges or self.regexes) or not self.verbatim

    def select(self, tags: Iterable[str]) -> list[TagItem]:
        """The selected images, each once, in the byte order of their names."""
        candidates = {tag for tag in tags if self._wanted(tag)} if self.needs_listing else set()
        kept = {TagItem(tag) for tag in candidates if all(keep.matches(tag) for keep in self.keep)}
        items = sorted(kept | set(self.verbatim), key=_byte_order)
        return self._newest(items) if self.latest else items

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
        versions.sort(key=lambda pair: (pair[0], _byte_order(pair[1])))
        dropped = {item for _, item in versions[: -self.latest]}
        return [item for item in items if item not in dropped]


def _version(item: TagItem) -> Version | None:
    return None if item.digest else Version.parse_tolerant(item.tag or "")


def _byte_order(item: TagItem) -> bytes:
    return str(item).encode()
