"""Which images need no look of their own? Those that never change, those that were looked for not long ago, those that
the target's list of tags does not have, and those of which a registry tells together with many others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from dregsy_queue.concurrency import SingleFlight
from dregsy_queue.config import models
from dregsy_queue.ledger.jobs import SyncRecord
from dregsy_queue.oci.manifests import Descriptor
from dregsy_queue.oci.reference import is_tag
from dregsy_queue.planning.images import Image
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.listers.digests import BulkDigests

#: From so many images of one repository on that were never copied before, its tags are listed first.
WORTH_A_LIST = 8
#: A list whose length is a multiple of this may be a page that hides the rest.
_ROUND = 50


async def immutable_tags(mapping: models.Mapping, target: RegistryClient, repository: str) -> frozenset[str]:
    """Tags that the target has and that never change, by the mapping's word. Costs one list, where there may be any.

    Raises: RegistryError where the target cannot be asked now. Where it has no list, nothing is known.
    """
    if not mapping.immutable:
        return frozenset()
    try:
        tags = await target.tags(repository)
    except RegistryError as error:
        if error.temporary or error.kind == "rate-limited":
            raise
        return frozenset()
    return frozenset(filter(mapping.is_immutable, tags))


def is_fresh(record: SyncRecord, drift_check: float) -> bool:
    """Whether the target was seen to have what `record` says less than `drift_check` seconds ago."""
    return record.age is not None and record.age < drift_check


class Listing:
    """The tags of one target repository, whose pages are read as far as they are needed: those which are not among
    them need no look."""

    def __init__(self, target: RegistryClient, repository: str) -> None:
        self.repository = repository
        self._pages = target.tag_pages(repository)
        self._reading = SingleFlight[str, None]()
        self._tags = set[str]()
        #: whether what no page had is not there; None: there may be more pages
        self._is_whole: bool | None = None

    async def lacks(self, reference: str) -> bool:
        """Whether `reference` is certainly a tag that the target does not have."""
        if not is_tag(reference):
            return False
        while reference not in self._tags and self._is_whole is None:
            await self._reading.run("", self._read_on, remember=False)
        return reference not in self._tags and self._is_whole is True

    async def _read_on(self) -> None:
        try:
            page = await anext(self._pages, None)
        except RegistryError as error:
            # What else is wrong with the registry says the look at an image.
            self._is_whole = error.kind == "not-found" and not self._tags
            return
        if page is None:
            self._is_whole = not self._tags or len(self._tags) % _ROUND != 0
        else:
            self._tags.update(page)


class Told:
    """What one repository's registry tells of many tags at once; asked when the first of them is wanted."""

    def __init__(self, digests: BulkDigests | None, repository: str, tags: Collection[str]) -> None:
        self._digests = digests
        self._repository = repository
        self._tags = tags
        self._asked = SingleFlight[str, Mapping[str, Descriptor]]()

    @property
    def tells(self) -> bool:
        return self._digests is not None

    async def of(self, reference: str) -> Descriptor | None:
        """None: it must be asked for."""
        digests = self._digests
        if digests is None or not is_tag(reference):
            return None
        told = await self._asked.run(self._repository, lambda: digests.of(self._repository, self._tags))
        return told.get(reference)


NOTHING_TOLD = Told(None, "", ())


@dataclass(frozen=True)
class Hints:
    """What is known of the images of a pair of repositories before they are asked for."""

    source: Told = NOTHING_TOLD
    target: Told = NOTHING_TOLD
    #: of the target repository's tags, where they are listed
    listing: Listing | None = None


NO_HINTS = Hints()


def listing_of(
    listing: Callable[[str], Listing],
    images: Sequence[Image],
    records: Sequence[SyncRecord | None],
    before: Listing | None,
) -> Listing | None:
    """Where so many of these images were never copied before that a list of the target's tags saves requests; `before`:
    of the images before these, which is used again for the same repository."""
    new = {image.target_repository for image, record in zip(images, records, strict=True) if record is None}
    number = sum(record is None for record in records)
    if len(new) != 1 or number < WORTH_A_LIST:
        return None
    repository = new.pop()
    return before if before is not None and before.repository == repository else listing(repository)
