"""How does what refers to an image get to the target? Pushed by its digest, and listed there."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dregsy_queue.oci.digest import Digest
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.referrers import Referrer, Referrers
from workers.relays.direct.content import Manifest

#: Signatures of SBOMs of images are followed, and so on; and so many manifests in all.
DEEPEST, MOST = 4, 2_000

#: Reads a manifest of the source, by digest and media type.
Fetch = Callable[[Digest, str], Awaitable[Manifest]]
#: Pushes a manifest with all it names; True when the target lists it under its subject by itself.
Push = Callable[[Manifest], Awaitable[bool]]


@dataclass(frozen=True)
class RepositoryReferrers:
    """A repository, and the lists of its registry."""

    lists: Referrers
    repository: str

    async def of(self, subject: str) -> list[Referrer]:
        return await self.lists.of(self.repository, subject)


class ReferrerMover:
    """Copies what refers to images; to be used on one event loop."""

    def __init__(self) -> None:
        self._listing = weakref.WeakValueDictionary[tuple[str, str, str], asyncio.Lock]()

    async def copy(
        self, source: RepositoryReferrers, target: RepositoryReferrers, subject: Manifest, fetch: Fetch, push: Push
    ) -> None:
        """Everything that refers to `subject`, or to a manifest in it, which the target has.

        Raises: RegistryError; also where more than `MOST` manifests refer to it.
        """
        await self._follow(_Walk(source, target, fetch, push), subject, 0)

    async def _follow(self, walk: _Walk, subject: Manifest, depth: int) -> None:
        if depth >= DEEPEST or not walk.is_new(subject):
            return
        wanted = await walk.source.of(subject.digest)
        known = {entry.digest for entry in await walk.target.of(subject.digest)} if wanted else set()
        unlisted: list[Referrer] = []
        for entry in wanted:
            manifest = await walk.fetch(entry.digest, entry.media_type)
            # A list may name what does not refer to the image at all.
            if manifest.subject != subject.digest:
                continue
            if entry.digest not in known and not await walk.push(manifest):
                unlisted.append(entry)
            await self._follow(walk, manifest, depth + 1)
        await self._list(walk.target, subject.digest, unlisted)
        for child in subject.children:
            await self._follow(walk, await walk.fetch(child.digest, child.media_type), depth + 1)

    async def _list(self, target: RepositoryReferrers, subject: str, unlisted: list[Referrer]) -> None:
        if unlisted:
            lock = self._listing.setdefault((target.lists.registry, target.repository, subject), asyncio.Lock())
            async with lock:
                await target.lists.list_by_tag(target.repository, subject, unlisted)


@dataclass(frozen=True)
class _Walk:
    """One image, with all that refers to it."""

    source: RepositoryReferrers
    target: RepositoryReferrers
    fetch: Fetch
    push: Push
    _met: set[str] = field(default_factory=set)

    def is_new(self, subject: Manifest) -> bool:
        if subject.digest in self._met:
            return False
        self._met.add(subject.digest)
        if len(self._met) > MOST:
            registry = self.source.lists.registry
            text = f"{registry}: image {self.source.repository}: more than {MOST} manifests refer to it"
            raise RegistryError(text, kind="invalid", temporary=False, registry=registry)
        return True
