"""What do many tags name, in few requests? Where a registry tells it, as HEADs would; a new way is one class with
`digests`, and one line in `access/digests.py`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.logs import log_fields
from dregsy_queue.oci.digest import Digest, is_digest
from dregsy_queue.oci.manifests import Descriptor
from dregsy_queue.oci.reference import is_tag
from dregsy_queue.registry.errors import RegistryError

log = logging.getLogger(__name__)

#: Least number of tags of a repository for which a lister is asked.
WORTH_ASKING = 8
#: Seconds for which a way that failed is not tried again.
_LEFT_ALONE = 600.0


class DigestLister(Protocol):
    async def digests(self, repository: str, wanted: Collection[str]) -> Mapping[str, Descriptor]:
        """What tags of a repository name, those first that changed last, where the order is known. Tags that it does
        not tell of are missing; others than `wanted` may be there. The media type is empty where it is not told.

        Raises:
            RegistryError: it does not tell; of kind ``not-found`` where that holds for this repository alone.
        """


class TagDigests:
    """What tags name, as far as it was told. A tag that is said to name two things is left out: it moved meanwhile."""

    def __init__(self) -> None:
        self.digests: dict[str, Descriptor] = {}
        self._doubtful: set[str] = set()

    def add(self, tag: object, digest: object, media_type: object) -> None:
        """What a registry sent, as it came."""
        if not (isinstance(tag, str) and isinstance(digest, str) and is_tag(tag) and is_digest(digest)):
            return
        found = Descriptor(Digest(digest), media_type if isinstance(media_type, str) else "")
        known = self.digests.get(tag)
        if tag in self._doubtful or (known is not None and known.digest != found.digest):
            self._doubtful.add(tag)
            self.digests.pop(tag, None)
        elif known is None:
            self.digests[tag] = found


#: Asks one registry by HEAD.
Look = Callable[[str, str], Awaitable[Descriptor | None]]


class BulkDigests:
    """Asks a lister while its answers agree with HEADs: of each answer the tag that changed last is compared."""

    def __init__(self, lister: DigestLister, look: Look, registry: str, clock: Clock = SYSTEM) -> None:
        self._lister = lister
        self._look = look
        self._registry = registry
        self._clock, self._not_before = clock, 0.0

    async def of(self, repository: str, wanted: Collection[str]) -> Mapping[str, Descriptor]:
        """By tag; what is missing must be asked for by HEAD. Never raises for what a registry says."""
        if len(wanted) < WORTH_ASKING or self._clock.monotonic() < self._not_before:
            return {}
        try:
            told = await self._lister.digests(repository, wanted)
            found = {tag: told[tag] for tag in told if tag in set(wanted)}
            sample = next(iter(found), None)
            seen = await self._look(repository, sample) if sample is not None else None
        except RegistryError as error:
            if error.kind != "not-found":
                self._not_before = self._clock.monotonic() + _LEFT_ALONE
            log.info("digests are asked for one by one: %s", error, extra=self._fields(repository))
            return {}
        if sample is not None and (seen is None or seen.digest != found[sample].digest):
            why = "what the registry tells of many tags is not what a HEAD says"
            log.info("digests are asked for one by one: %s", why, extra=self._fields(repository))
            return {}
        return found

    def _fields(self, repository: str) -> dict[str, object]:
        return log_fields(registry=self._registry, repository=repository)
