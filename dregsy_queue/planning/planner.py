"""Planning: a sync task becomes one job per image that is not up to date.

Costs per mapping: one tag list per source repository (none when all tags are verbatim), and per image one HEAD at
the source and one at the target, in parallel. Only an image with several platforms of which one is wanted, and for
which no sync record stands, costs one GET of its index. What `unasked` knows costs less.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from dregsy_queue import backoff
from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.concurrency import completed, in_threads, merged
from dregsy_queue.config.models import Mapping, SyncTask
from dregsy_queue.ledger.jobs import PlannedOutcome, Reason, SyncRecord, TransferJob
from dregsy_queue.ledger.plan_waits import PlanWait
from dregsy_queue.logs import fields
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.manifests import Descriptor, is_index
from dregsy_queue.planning import decision
from dregsy_queue.planning.companions import companion_tags, lacks_referrers
from dregsy_queue.planning.images import Image, Names, Pair, Targets, by_target, pairs_of, platform_of, wrong_target
from dregsy_queue.planning.platforms import Platforms
from dregsy_queue.planning.unasked import NoteSeen, immutable_tags, is_fresh
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.errors import RegistryError

log = logging.getLogger(__name__)

#: Tag lists and comparisons under way at once per planner, over all repositories: enough to fill 50 ms of distance, few
#: enough for a small registry.
COMPARISONS = 64
#: More tags than these are chosen among in a thread.
MANY, CHOOSING = 5_000, ThreadPoolExecutor(2, "choosing")
#: Sync records fetched in one Redis call.
RECORD_BATCH = 500

#: Pulls that an image with all its platforms is taken to cost; the registry's next answer corrects it.
_INDEX_PULLS = 8

INDEX_BY_DIGEST = (
    "the digest names several platforms, and one of them alone has another digest; "
    "give it a name ('NAME@sha256:…'), or set 'platform: all'"
)

Planned = TransferJob | PlannedOutcome
Repositories = Callable[[], Awaitable[list[str]]]
Already = Callable[[Sequence[str]], set[str]]
LookUp = Callable[[Sequence[str]], list[SyncRecord | None]]
#: Is told the tags of each source repository: mapping, source and target repository, tags (none where all are named).
Listed = Callable[[Mapping, str, str, Sequence[str]], None]


@dataclass(frozen=True)
class _Unreached:
    """What could not be planned for a passing reason, and why."""

    what: Mapping | Pair | Image
    error: RegistryError


class Planner:
    """Plans one sync task. `look_up` gives sync records by target reference, `already` which of these targets need no
    second look, `on_wait` is told what the next round waits for, `note_seen` which targets were seen to be up to date
    (only where the task has a `drift-check`); all may block (Redis).

    What fails for a passing reason is tried again in rounds, up to `attempts` in all, `backoff` seconds after
    the first round, then twice as long each time. So however many images a dead registry has, each wait comes once.
    """

    def __init__(
        self,
        task: SyncTask,
        relay: str,
        source: RegistryClient,
        target: RegistryClient,
        look_up: LookUp,
        repositories: Repositories,
        *,
        attempts: int,
        backoff: float,
        on_wait: Callable[[PlanWait], None] = lambda _: None,
        clock: Clock = SYSTEM,
        listed: Listed = lambda *_: None,
        already: Already = lambda _: set(),
        note_seen: NoteSeen = lambda _: None,
    ) -> None:
        self._task = task
        self._relay = relay
        self._source = source
        self._target = target
        self._look_up = look_up
        self._repositories = repositories
        self._attempts = attempts
        self._backoff = backoff
        self._on_wait = on_wait
        self._clock = clock
        self._listed = listed
        self._already = already
        self._note_seen = note_seen
        self._platforms = Platforms(source)
        self._names = Names.of(task)
        self._targets = Targets(self._names)
        self._room = asyncio.Semaphore(COMPARISONS)

    async def plan(self) -> AsyncIterator[Planned]:
        """Every image of the task, as soon as it is compared. One that cannot be planned is a failed outcome;
        it never stops the others.

        Raises:
            RegistryError: of kind ``rate-limited``: the rest must be planned later.
        """
        unlisted = list(self._task.mappings)
        pairs: list[Pair] = []
        images: list[Image] = []
        for attempt in range(1, self._attempts + 1):
            unreached: list[_Unreached] = []
            async for planned in self._round(unlisted, pairs, images):
                if isinstance(planned, _Unreached):
                    unreached.append(planned)
                else:
                    yield planned
            if not unreached or attempt == self._attempts:
                break
            wait = backoff.delay(self._backoff, attempt)
            log.warning(
                "planning: %d could not be compared, next try in %.0f s: %s",
                len(unreached),
                wait,
                unreached[0].error,
                extra=fields(task=self._task.name),
            )
            unlisted = [left.what for left in unreached if isinstance(left.what, Mapping)]
            pairs = [left.what for left in unreached if isinstance(left.what, Pair)]
            images = [left.what for left in unreached if isinstance(left.what, Image)]
            told = PlanWait(len(unreached), attempt + 1, self._attempts, wait, str(unreached[0].error))
            await asyncio.to_thread(self._on_wait, told)
            await self._clock.sleep(wait)
        for left in unreached:
            yield self._failure(left.what, str(left.error))

    async def _round(
        self, unlisted: list[Mapping], pairs: list[Pair], images: list[Image]
    ) -> AsyncGenerator[Planned | _Unreached, None]:
        async for planned in self._compare_all(images):
            yield planned
        pairs = list(pairs)
        for mapping in unlisted:
            self._log(mapping)
            try:
                found = pairs_of(mapping, await self._repositories() if mapping.paths.needs_listing else [])
            except RegistryError as error:
                yield self._unplanned(mapping, error)
                continue
            for pair in found:
                if why := wrong_target(pair.target):
                    yield self._failure(pair, why)
                else:
                    pairs.append(pair)
        async for planned in merged((self._plan_pairs(group) for group in by_target(pairs)), COMPARISONS):
            yield planned

    async def _plan_pairs(self, pairs: list[Pair]) -> AsyncGenerator[Planned | _Unreached, None]:
        """Source repositories that go to one target repository, one after the other."""
        for pair in pairs:
            try:
                tags = await self._tags(pair)
                async with self._room:
                    immutable = await immutable_tags(pair.mapping, self._target, pair.target)
            except RegistryError as error:
                yield self._unplanned(pair, error)
                continue
            # Among a million tags this takes seconds, for which the worker's other jobs would stand still.
            images = (
                await in_threads(CHOOSING, partial(self._choose, pair, tags))
                if len(tags) > MANY
                else self._choose(pair, tags)
            )
            async for planned in self._compare_new(images, immutable):
                yield planned

    async def _compare_new(
        self, images: list[Image], immutable: frozenset[str] = frozenset()
    ) -> AsyncGenerator[Planned | _Unreached, None]:
        """Compare what has no other source than this one; `immutable` tags are up to date."""
        selected = []
        for image in images:
            try:
                if not self._targets.take(image):
                    continue
            except ValueError as error:
                yield self._failure(image, str(error))
                continue
            if image.item.tag in immutable:
                yield self._up_to_date(image, "")
            else:
                selected.append(image)
        async for planned in self._compare_all(selected):
            yield planned

    def _choose(self, pair: Pair, tags: list[str]) -> list[Image]:
        companions = companion_tags(tags) if pair.mapping.referrers else None
        items = pair.mapping.tag_set.select(tags)
        return [pair.image(item, companions, named=self._relay == "docker") for item in items]

    def _log(self, mapping: Mapping) -> None:
        hosts = {"source": self._task.source.host, "target": self._task.target.host}
        paths = {"from": mapping.from_, "to": mapping.to or mapping.from_}
        log.debug("mapping", extra=fields(task=self._task.name, **hosts, **paths))

    async def _tags(self, pair: Pair) -> list[str]:
        """The source's tags; none where nothing depends on them."""
        tags = list[str]()
        if pair.mapping.tag_set.needs_listing or pair.mapping.referrers:
            async with self._room:
                tags = await self._source.tags(pair.source)
        self._listed(pair.mapping, pair.source, pair.target, tags)
        return tags

    async def _compare_all(self, images: list[Image]) -> AsyncGenerator[Planned | _Unreached, None]:
        for start in range(0, len(images), RECORD_BATCH):
            batch = images[start : start + RECORD_BATCH]
            known = await asyncio.to_thread(self._already, [self._names.target(image) for image in batch])
            batch = [image for image in batch if self._names.target(image) not in known]
            targets = [self._names.target(image) for image in batch]
            records = await asyncio.to_thread(self._look_up, targets)
            seen: dict[str, SyncRecord] = {}
            more: list[Image] = []
            by_target = dict(zip(targets, batch, strict=True))
            comparisons = (self._compare(*pair, seen) for pair in zip(batch, records, strict=True))
            async for planned in completed(comparisons, COMPARISONS):
                yield planned
                if not isinstance(planned, _Unreached) and planned.digest:
                    more += by_target[planned.target].companions_of(planned.digest)
            async for planned in self._compare_new(more):
                yield planned
            if seen and self._task.drift_check:
                await asyncio.to_thread(self._note_seen, seen)

    async def _compare(
        self, image: Image, record: SyncRecord | None, seen: dict[str, SyncRecord]
    ) -> Planned | _Unreached:
        record = record if record is not None and record.is_about(image.platform) else None
        try:
            async with self._room:
                if record is not None and is_fresh(record, self._task.drift_check):
                    source = await self._at_source(image)
                    if source is not None and source.digest == record.source_digest:
                        return self._up_to_date(image, record.target_digest)
                    target = await self._at_target(image)
                else:
                    source, target = await asyncio.gather(self._at_source(image), self._at_target(image))
            if source is None:
                return self._failure(image, f"{self._names.source(image)} does not exist")
            planned = await self._judge(image, source, target.digest if target else None, record)
            if planned.reason == "up-to-date" and image.companions is not None and target is not None:
                planned = await self._with_referrers(image, source, target.digest, planned)
        except RegistryError as error:
            return self._unplanned(image, error)
        if target is not None and isinstance(planned, PlannedOutcome) and not planned.error:
            seen[planned.target] = SyncRecord(source.digest, target.digest, image.platform)
        return planned

    async def _at_source(self, image: Image) -> Descriptor | None:
        return await self._source.head(image.source_repository, image.source_reference)

    async def _at_target(self, image: Image) -> Descriptor | None:
        return await self._target.head_target(image.target_repository, image.target_reference)

    def _unplanned(self, what: Mapping | Pair | Image, error: RegistryError) -> PlannedOutcome | _Unreached:
        if error.kind == "rate-limited":
            raise error
        return _Unreached(what, error) if error.temporary else self._failure(what, str(error))

    def _failure(self, what: Mapping | Pair | Image, error: str) -> PlannedOutcome:
        names = self._names.source(what), self._names.target(what)
        return PlannedOutcome(*names, platform_of(what), "failed", "planning", error=error)

    def _up_to_date(self, image: Image, digest: str) -> PlannedOutcome:
        names = self._names.source(image), self._names.target(image)
        return PlannedOutcome(*names, image.platform, "up-to-date", "up-to-date", digest=digest)

    async def _judge(
        self, image: Image, source: Descriptor, target: Digest | None, record: SyncRecord | None
    ) -> Planned:
        wanted = source.digest
        verdict = decision.known(source.digest, target, record)
        if (verdict is None or verdict.copy) and image.platform != "all" and is_index(source.media_type):
            wanted = await self._platforms.child(
                image.source_repository, source.digest, image.platform, name=self._names.source(image)
            )
            if image.pinned and wanted != source.digest:
                return self._failure(image, INDEX_BY_DIGEST)
        verdict = decision.decide(source.digest, wanted, target, record)
        if verdict.copy:
            return self._job(image, source, wanted, verdict.reason)
        return self._up_to_date(image, target or "")

    def _job(self, image: Image, source: Descriptor, wanted: Digest, reason: Reason) -> TransferJob:
        return TransferJob(
            source=self._names.source(image),
            target=self._names.target(image),
            platform=image.platform,
            relay=self._relay,
            reason=reason,
            source_digest=source.digest,
            digest=wanted,
            pulls=self._pulls(image, source, wanted),
            referrers=image.companions is not None,
        )

    def _pulls(self, image: Image, source: Descriptor, wanted: Digest) -> int:
        several = image.platform.count(",")
        if is_index(source.media_type) and several:
            return several + 2
        return _INDEX_PULLS if is_index(source.media_type) and wanted == source.digest else 1

    async def _with_referrers(self, image: Image, source: Descriptor, digest: Digest, planned: Planned) -> Planned:
        """The image is up to date; a job all the same where something that refers to it is not."""
        repositories = image.source_repository, image.target_repository
        if await lacks_referrers(self._source, self._target, *repositories, digest):
            return self._job(image, source, digest, "changed")
        return planned
