"""What is to be done about one image? Both registries are asked, or not, and the answers compared."""

from __future__ import annotations

from dataclasses import dataclass

from dregsy_queue.concurrency import both
from dregsy_queue.config.models import Mapping
from dregsy_queue.ledger.jobs import PlannedOutcome, Reason, SyncRecord, TransferJob
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.manifests import Descriptor, is_index
from dregsy_queue.oci.subset import parse_platforms
from dregsy_queue.planning import decision
from dregsy_queue.planning.companions import lacks_referrers
from dregsy_queue.planning.context import Route
from dregsy_queue.planning.images import Image, Names, Pair, platform_of
from dregsy_queue.planning.platforms import Platforms
from dregsy_queue.planning.unasked import NO_HINTS, Hints, Listing, is_fresh

#: Pulls that an image with all its platforms is taken to cost; the registry's next answer corrects it.
_INDEX_PULLS = 8

INDEX_BY_DIGEST = (
    "the digest names several platforms, and one of them alone has another digest; "
    "give it a name ('NAME@sha256:…'), or set 'platform: all'"
)

Planned = TransferJob | PlannedOutcome


@dataclass(frozen=True)
class Compared:
    planned: Planned
    #: what the target was seen to have, where that is worth a sync record
    record: SyncRecord | None = None


class Comparison:
    """Compares images of one task, many at once."""

    def __init__(self, route: Route) -> None:
        self._task = route.task
        self._relay = route.relay
        self._source = route.source
        self._target = route.target
        self._names = Names.of(route.task)
        self._platforms = Platforms(route.source)

    async def of(self, image: Image, record: SyncRecord | None, hints: Hints = NO_HINTS) -> Compared:
        """`record`: of its last sync.

        Raises: RegistryError: a registry does not tell.
        """
        record = record if record is not None and record.is_about(image.platform) else None
        if record is not None and is_fresh(record, self._task.drift_check):
            source = await hints.source.of(image.source_reference)
            if source is None or source.digest != record.source_digest:
                source = await self._at_source(image)
            if source is not None and source.digest == record.source_digest:
                return Compared(up_to_date(self._names, image, record.target_digest))
            target = await self._at_target(image)
        else:
            source, target = await self._look(image, record, hints)
        if source is None:
            return Compared(failure(self._names, image, f"{self._names.source(image)} does not exist"))
        planned = await self._judge(image, source, target.digest if target else None, record)
        if target is None or planned.reason != "up-to-date":
            return Compared(planned)
        if image.companions is not None and await self._lacks_referrers(image, target.digest):
            return Compared(self._job(image, source, target.digest, "changed"))
        # What an index was read for need not be found out again.
        found_out = record is None and target.digest != source.digest
        seen = SyncRecord(source.digest, target.digest, image.platform)
        return Compared(planned, seen if found_out or self._task.drift_check else None)

    async def _look(
        self, image: Image, record: SyncRecord | None, hints: Hints
    ) -> tuple[Descriptor | None, Descriptor | None]:
        """What source and target have. What is told of many tags at once counts where it says that the image is up to
        date; anything else HEADs decide."""
        told: tuple[Descriptor | None, Descriptor | None] = None, None
        if hints.source.tells or hints.target.tells:
            told = await both(hints.source.of(image.source_reference), hints.target.of(image.target_reference))
        source, target = await both(self._at_source(image, told[0]), self._at_target(image, hints.listing, told[1]))
        if source is None or target is None or not decision.is_same(source, target, image.platform, record):
            source = await self._at_source(image) if told[0] else source
            target = await self._at_target(image) if told[1] else target
        return source, target

    async def _at_source(self, image: Image, told: Descriptor | None = None) -> Descriptor | None:
        return told or await self._source.head(image.source_repository, image.source_reference)

    async def _at_target(
        self, image: Image, listing: Listing | None = None, told: Descriptor | None = None
    ) -> Descriptor | None:
        if told is not None or (listing is not None and await listing.lacks(image.target_reference)):
            return told
        return await self._target.head_target(image.target_repository, image.target_reference)

    async def _lacks_referrers(self, image: Image, digest: Digest) -> bool:
        repositories = image.source_repository, image.target_repository
        return await lacks_referrers(self._source, self._target, *repositories, digest)

    async def _judge(
        self, image: Image, source: Descriptor, target: Digest | None, record: SyncRecord | None
    ) -> Planned:
        wanted = source.digest
        verdict = decision.by_digests(source.digest, target, record)
        if (verdict is None or verdict.copy) and image.platform != "all" and is_index(source.media_type):
            wanted = await self._platforms.child(
                image.source_repository, source.digest, image.platform, name=self._names.source(image)
            )
            if image.pinned and wanted != source.digest:
                return failure(self._names, image, INDEX_BY_DIGEST)
        verdict = decision.decide(source.digest, wanted, target, record)
        if verdict.copy:
            return self._job(image, source, wanted, verdict.reason)
        return up_to_date(self._names, image, target or "")

    def _job(self, image: Image, source: Descriptor, wanted: Digest, reason: Reason) -> TransferJob:
        return TransferJob(
            source=self._names.source(image),
            target=self._names.target(image),
            platform=image.platform,
            relay=self._relay,
            reason=reason,
            source_digest=source.digest,
            digest=wanted,
            pulls=_pulls(image, source, wanted),
            referrers=image.companions is not None,
        )


def _pulls(image: Image, source: Descriptor, wanted: Digest) -> int:
    if not is_index(source.media_type):
        return 1
    platforms = parse_platforms(image.platform)
    if len(platforms) > 1:
        # the index itself, and each platform
        return 1 + len(platforms)
    return _INDEX_PULLS if wanted == source.digest else 1


def failure(names: Names, what: Mapping | Pair | Image, error: str) -> PlannedOutcome:
    named = names.source(what), names.target(what)
    unlisted = not isinstance(what, Image)
    return PlannedOutcome(*named, platform_of(what), "failed", "planning", error=error, unlisted=unlisted)


def up_to_date(names: Names, image: Image, digest: str) -> PlannedOutcome:
    named = names.source(image), names.target(image)
    return PlannedOutcome(*named, image.platform, "up-to-date", "up-to-date", digest=digest)
