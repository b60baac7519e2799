"""Planning: a sync task becomes one job per image that is not up to date.

Costs per mapping: one tag list per source repository (none when all tags are verbatim), and per image one HEAD at
the source and one at the target, in parallel. Only an image with several platforms of which one is wanted, and for
which no sync record stands, costs one GET of its index.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from dregsy_queue import decision
from dregsy_queue.concurrency import SingleFlight, completed
from dregsy_queue.config.models import Mapping, SyncTask
from dregsy_queue.coordination.jobs import PlannedOutcome, TransferJob
from dregsy_queue.coordination.records import SyncRecord
from dregsy_queue.logs import fields
from dregsy_queue.matching.platform import Platform, choose, host_platform
from dregsy_queue.matching.tags import TagItem
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.manifests import Descriptor, is_index, parse_index

log = logging.getLogger(__name__)

#: Images compared at once per planner: enough to fill 50 ms of distance, few enough for a small registry.
COMPARISONS = 64
#: Sync records fetched in one Redis call.
RECORD_BATCH = 500

#: Pulls that an image with all its platforms is taken to cost; the registry's next answer corrects it.
_INDEX_PULLS = 8

Planned = TransferJob | PlannedOutcome
LookUp = Callable[[Sequence[str]], list[SyncRecord | None]]


@dataclass(frozen=True)
class _Image:
    """One image of a mapping: where it is, where it goes."""

    source_repository: str
    target_repository: str
    item: TagItem
    platform: str

    @property
    def source_reference(self) -> str:
        return self.item.digest or self.item.tag or ""

    @property
    def target_reference(self) -> str:
        return self.item.tag or self.item.digest or ""


class Planner:
    """Plans one sync task. `look_up` gives sync records by target reference and may block (Redis)."""

    def __init__(
        self, task: SyncTask, relay: str, source: RegistryClient, target: RegistryClient, look_up: LookUp
    ) -> None:
        self._task = task
        self._relay = relay
        self._source = source
        self._target = target
        self._look_up = look_up
        self._children = SingleFlight[tuple[str, str, str], str]()

    async def plan(self) -> AsyncIterator[Planned]:
        """Every image of the task, as soon as it is compared. One that cannot be planned is a failed outcome;
        it never stops the others.

        Raises:
            RegistryError: of kind ``rate-limited``: the rest must be planned later.
        """
        seen: dict[str, str] = {}
        for mapping in self._task.mappings:
            async for planned in self._plan_mapping(mapping, seen):
                yield planned

    async def _plan_mapping(self, mapping: Mapping, seen: dict[str, str]) -> AsyncIterator[Planned]:
        for source_path, target_path in mapping.paths.pairs():
            source_repository, target_repository = source_path.lstrip("/"), target_path.lstrip("/")
            try:
                items = await self._items(mapping, source_repository)
            except RegistryError as error:
                if error.kind == "rate-limited":
                    raise
                yield self._failure(source_repository, target_repository, mapping.platform, error)
                continue
            images, taken = [], set[str]()
            for item in items:
                image = _Image(source_repository, target_repository, item, mapping.platform)
                source, target = self._name(image, source=True), self._name(image, source=False)
                wanted = f"{source} {image.platform}".strip()
                first = seen.setdefault(target, wanted)
                if first != wanted:
                    why = f"another mapping of this task already copies {first} to this target"
                    yield PlannedOutcome(source, target, image.platform, "failed", "planning", error=why)
                elif target not in taken:
                    taken.add(target)
                    images.append(image)
            log.debug(
                "%d tags selected",
                len(images),
                extra=fields(task=self._task.name, source=source_repository, target=target_repository),
            )
            for start in range(0, len(images), RECORD_BATCH):
                async for planned in self._compare_all(images[start : start + RECORD_BATCH]):
                    yield planned

    async def _items(self, mapping: Mapping, repository: str) -> list[TagItem]:
        tags = await self._source.tags(repository) if mapping.tag_set.needs_listing else []
        return mapping.tag_set.select(tags)

    async def _compare_all(self, images: list[_Image]) -> AsyncIterator[Planned]:
        targets = [self._name(image, source=False) for image in images]
        records = await asyncio.to_thread(self._look_up, targets)
        comparisons = (self._compare(*pair) for pair in zip(images, records, strict=True))
        async for planned in completed(comparisons, COMPARISONS):
            yield planned

    async def _compare(self, image: _Image, record: SyncRecord | None) -> Planned:
        try:
            source, target = await asyncio.gather(
                self._source.head(image.source_repository, image.source_reference),
                self._target.head(image.target_repository, image.target_reference),
            )
            if source is None:
                raise RegistryError(
                    f"{self._name(image, source=True)} does not exist",
                    kind="not-found",
                    temporary=False,
                    registry=self._task.source.registry,
                )
            return await self._judge(image, source, target.digest if target else None, record)
        except RegistryError as error:
            if error.kind == "rate-limited":
                raise
            return PlannedOutcome(
                self._name(image, source=True),
                self._name(image, source=False),
                image.platform,
                "failed",
                "planning",
                error=str(error),
            )

    async def _judge(self, image: _Image, source: Descriptor, target: str | None, record: SyncRecord | None) -> Planned:
        wanted = source.digest
        verdict = decision.known(source.digest, target, record)
        if (verdict is None or verdict.copy) and image.platform != "all" and is_index(source.media_type):
            wanted = await self._child(image, source.digest)
        verdict = decision.decide(source.digest, wanted, target, record)
        source_name, target_name = self._name(image, source=True), self._name(image, source=False)
        if not verdict.copy:
            return PlannedOutcome(
                source_name, target_name, image.platform, "up-to-date", verdict.reason, digest=target or ""
            )
        return TransferJob(
            source=source_name,
            target=target_name,
            platform=image.platform,
            relay=self._relay,
            reason=verdict.reason,
            source_digest=source.digest,
            digest=wanted,
            pulls=_INDEX_PULLS if is_index(source.media_type) and wanted == source.digest else 1,
        )

    async def _child(self, image: _Image, digest: str) -> str:
        """The digest of the wanted platform in an index; the same index under many tags is read once."""
        platform = Platform.parse(image.platform) if image.platform else host_platform()

        async def look() -> str:
            _, body = await self._source.manifest(image.source_repository, digest)
            entries = parse_index(body)
            chosen = choose(entries, platform)
            if chosen is None:
                known = ", ".join(sorted({str(entry.platform) for entry in entries if entry.platform}))
                raise RegistryError(
                    f"{self._name(image, source=True)} has no image for {platform}; it has {known or 'none'}",
                    kind="not-found",
                    temporary=False,
                    registry=self._task.source.registry,
                )
            return chosen.digest

        return await self._children.run((image.source_repository, digest, str(platform)), look)

    def _name(self, image: _Image, *, source: bool) -> str:
        """The image's whole reference at the source or the target, as logs and reports show it."""
        if source:
            separator = "@" if image.item.digest else ":"
            return f"{self._task.source.registry}/{image.source_repository}{separator}{image.source_reference}"
        separator = ":" if image.item.tag else "@"
        return f"{self._task.target.registry}/{image.target_repository}{separator}{image.target_reference}"

    def _failure(self, source: str, target: str, platform: str, error: Exception) -> PlannedOutcome:
        return PlannedOutcome(
            f"{self._task.source.registry}/{source}",
            f"{self._task.target.registry}/{target}",
            platform,
            "failed",
            "planning",
            error=str(error),
        )
