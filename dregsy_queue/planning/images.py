"""Which images does a task mean, what are they called, and do two of them want the same target? Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from dregsy_queue.config.models import Mapping, SyncTask
from dregsy_queue.matching.tags import TagItem
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.reference import is_repository

T = TypeVar("T")


@dataclass(frozen=True)
class Image:
    """One image of a mapping: where it is, where it goes. `named`: the relay cannot push by digest alone."""

    source_repository: str
    target_repository: str
    item: TagItem
    platform: str
    named: bool
    #: tags that belong to images of the repository, by the images' digests; None: they are not wanted
    companions: dict[Digest, list[str]] | None = field(default=None, repr=False, compare=False)

    def companions_of(self, digest: Digest | str) -> list[Image]:
        """The images that belong to this one, which has this digest at the target."""
        tags = self.companions.get(Digest(digest), []) if self.companions else []
        return [replace(self, item=TagItem(tag), companions=None) for tag in tags]

    @property
    def source_reference(self) -> str:
        return self.item.digest or self.item.tag or ""

    @property
    def target_reference(self) -> str:
        if self.named and self.item.digest and not self.item.tag:
            return self.item.digest.as_tag
        return self.item.tag or self.item.digest or ""

    @property
    def pinned(self) -> bool:
        """True when it goes to the target under its digest alone, so nothing of it may change."""
        return self.item.tag is None and not self.named


@dataclass(frozen=True)
class Pair:
    """One source repository of a mapping, and where it goes."""

    mapping: Mapping
    source: str
    target: str

    def image(self, item: TagItem, companions: dict[Digest, list[str]] | None, *, named: bool) -> Image:
        return Image(self.source, self.target, item, self.mapping.platform, named, companions)


@dataclass(frozen=True)
class Names:
    """How logs and reports name the images of a task: whole references."""

    source_host: str
    target_host: str

    @classmethod
    def of(cls, task: SyncTask) -> Names:
        return cls(task.source.host, task.target.host)

    def source(self, what: Mapping | Pair | Image) -> str:
        if isinstance(what, Image):
            separator = "@" if what.item.digest else ":"
            return f"{self.source_host}/{what.source_repository}{separator}{what.source_reference}"
        return f"{self.source_host}/{what.source if isinstance(what, Pair) else what.from_}"

    def target(self, what: Mapping | Pair | Image) -> str:
        if isinstance(what, Image):
            separator = ":" if what.item.tag or what.named else "@"
            return f"{self.target_host}/{what.target_repository}{separator}{what.target_reference}"
        return f"{self.target_host}/{what.target if isinstance(what, Pair) else what.to}"


def platform_of(what: Mapping | Pair | Image) -> str:
    return what.mapping.platform if isinstance(what, Pair) else what.platform


class Targets:
    """Who goes where, as far as it is planned: the first that names a target has it."""

    def __init__(self, names: Names) -> None:
        self._names = names
        #: target → the source that goes there, and its platform
        self._taken: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, image: Image) -> bool:
        """False where the very same image has this target already. Raises: ValueError: another image has it."""
        wanted = f"{self._names.source(image)} {image.platform}".strip()
        target = self._names.target(image)
        if target not in self._taken:
            self._taken[target] = wanted
            return True
        if (first := self._taken[target]) != wanted:
            raise ValueError(f"another mapping of this task already copies {first} to this target")
        return False


def pairs_of(mapping: Mapping, names: list[str]) -> list[Pair]:
    """Every source repository of a mapping; `names`: what the source's list has, where the mapping wants one."""
    return [Pair(mapping, source.lstrip("/"), target.lstrip("/")) for source, target in mapping.paths.pairs(names)]


def by_target(items: Iterable[T], repository_of: Callable[[T], str]) -> list[list[T]]:
    """What shares a target repository stands together, in its order: who comes first decides there."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(repository_of(item), []).append(item)
    return list(groups.values())


def wrong_target(repository: str) -> str | None:
    """Why a mapping cannot lead to `repository`."""
    if not repository:
        return "the mapping's 'to' leaves nothing of the path"
    if not is_repository(repository):
        return (
            f"'{repository}' is not a repository name: its parts are lower-case letters and digits, "
            "with single '.', '_' or '-' in between"
        )
    return None
