"""How does what refers to an image get to the target? Pushed by its digest, and listed there."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable

from dregsy_queue.registry.referrers import Referrer, Referrers
from workers.relays.direct.content import Manifest

#: Signatures of SBOMs of images are followed, and so on.
DEEPEST = 4

#: Reads a manifest of the source, by digest and media type.
Fetch = Callable[[str, str], Awaitable[Manifest]]
#: Pushes a manifest with all it names; True when the target lists it under its subject by itself.
Push = Callable[[Manifest], Awaitable[bool]]


class ReferrerMover:
    """Copies what refers to images; to be used on one event loop."""

    def __init__(self) -> None:
        self._listing = weakref.WeakValueDictionary[tuple[str, str, str], asyncio.Lock]()

    async def copy(
        self,
        source: tuple[Referrers, str],
        target: tuple[Referrers, str],
        subject: Manifest,
        fetch: Fetch,
        push: Push,
        *,
        depth: int = 0,
    ) -> None:
        """Everything that refers to `subject`, or to a manifest in it, which the target has; `source` and `target`
        are lists and repository. Raises: RegistryError."""
        if depth >= DEEPEST:
            return
        wanted = await source[0].of(source[1], subject.digest)
        known = {entry.digest for entry in await target[0].of(target[1], subject.digest)} if wanted else set()
        unlisted: list[Referrer] = []
        for entry in wanted:
            manifest = await fetch(entry.digest, entry.media_type)
            # A list may name what does not refer to the image at all.
            if manifest.subject != subject.digest:
                continue
            if entry.digest not in known and not await push(manifest):
                unlisted.append(entry)
            await self.copy(source, target, manifest, fetch, push, depth=depth + 1)
        if unlisted:
            lock = self._listing.setdefault((target[0].registry, target[1], subject.digest), asyncio.Lock())
            async with lock:
                await target[0].list_by_tag(target[1], subject.digest, unlisted)
        for child in subject.children:
            await self.copy(source, target, await fetch(child.digest, child.media_type), fetch, push, depth=depth + 1)
