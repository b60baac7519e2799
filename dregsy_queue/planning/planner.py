"""Planning: a sync task becomes one job per image that is not up to date.

Costs per mapping: one tag list per source repository (none when all tags are verbatim), and per image one HEAD at
the source and one at the target, in parallel. Only an image with several platforms of which one is wanted, and for
which no sync record stands, costs one GET of its index. What `unasked` knows costs less.

Of a large task most images are left to other planners, where there are any.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dregsy_queue import backoff
from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.concurrency import Threads, completed, in_threads, merged
from dregsy_queue.config.models import Mapping
from dregsy_queue.ledger.jobs import PlannedOutcome, SyncRecord
from dregsy_queue.ledger.plan_waits import PlanWait
from dregsy_queue.logs import log_fields
from dregsy_queue.planning.companions import companion_tags
from dregsy_queue.planning.comparison import Comparison, Planned, failure, up_to_date
from dregsy_queue.planning.context import PlanningContext, Route
from dregsy_queue.planning.images import (
    Image,
    Names,
    Pair,
    Targets,
    by_target,
    pairs_of,
    wrong_target,
)
from dregsy_queue.planning.unasked import NO_HINTS, Hints, Listing, Told, immutable_tags, listing_of
from dregsy_queue.registry.errors import RegistryError

log = logging.getLogger(__name__)

#: Tag lists and comparisons under way at once per planner, over all repositories: enough to fill 50 ms of distance, few
#: enough for a small registry.
COMPARISONS = 64
#: More tags than these are chosen among in a thread.
MANY, CHOOSING = 5_000, Threads(2, "choosing")
#: Sync records fetched in one Redis call.
RECORD_BATCH = 500
#: Images of a task that its planner compares itself, where others could help; and images that are left to others in one
#: piece: half a second of work, so that workers end together.
MOST_ALONE, SHARD = 2_000, 500


@dataclass(frozen=True)
class Rounds:
    """How often what fails for a passing reason is tried: up to `attempts` rounds in all, `backoff` seconds after the
    first, then twice as long each time."""

    attempts: int
    backoff: float
    clock: Clock = SYSTEM


@dataclass(frozen=True)
class _Unreached:
    """What could not be planned for a passing reason, and why."""

    what: Mapping | Pair | Image
    error: RegistryError


class Planner:
    """Plans one sync task.

    What fails for a passing reason is tried again in rounds. So however many images a dead registry has, each wait
    comes once.
    """

    def __init__(self, route: Route, context: PlanningContext, rounds: Rounds, *, at_once: int = COMPARISONS) -> None:
        self._route = route
        self._task = route.task
        self._context = context
        self._rounds = rounds
        self._comparison = Comparison(route)
        self._names = Names.of(route.task)
        self._targets = Targets(self._names)
        self._at_once = at_once
        self._room = asyncio.Semaphore(at_once)
        #: images that it compares itself, and what is to be left to others
        self._own, self._others = 0, list[Image]()

    async def plan(self, images: Sequence[Image] | None = None) -> AsyncIterator[Planned]:
        """Every image of the task, or these `images` of it, as soon as it is compared; but for those that are left to
        other planners (see `PlanningContext.share`). One that cannot be planned is a failed outcome; it never stops
        the others.

        Raises:
            RegistryError: of kind ``rate-limited``: the rest must be planned later.
        """
        unlisted = list(self._task.mappings) if images is None else []
        pairs: list[Pair] = []
        images = list(images or ())
        unreached: list[_Unreached] = []
        for attempt in range(1, self._rounds.attempts + 1):
            unreached = []
            async for planned in self._round(unlisted, pairs, images):
                if isinstance(planned, _Unreached):
                    unreached.append(planned)
                else:
                    yield planned
            if not unreached or attempt == self._rounds.attempts:
                break
            wait = backoff.delay(self._rounds.backoff, attempt)
            log.warning(
                "planning: %d could not be compared, next try in %.0f s: %s",
                len(unreached),
                wait,
                unreached[0].error,
                extra=log_fields(task=self._task.name),
            )
            unlisted = [left.what for left in unreached if isinstance(left.what, Mapping)]
            pairs = [left.what for left in unreached if isinstance(left.what, Pair)]
            images = [left.what for left in unreached if isinstance(left.what, Image)]
            told = PlanWait(len(unreached), attempt + 1, self._rounds.attempts, wait, str(unreached[0].error))
            await asyncio.to_thread(self._context.waits, told)
            await self._rounds.clock.sleep(wait)
        for left in unreached:
            yield self._failure(left.what, str(left.error))

    @property
    def targets(self) -> int:
        """How many targets the plan has so far, with those that are left to others."""
        return len(self._targets)

    async def _round(
        self, unlisted: list[Mapping], pairs: list[Pair], images: list[Image]
    ) -> AsyncGenerator[Planned | _Unreached, None]:
        groups = by_target(images, lambda image: image.target_repository)
        async for planned in merged(map(self._compare_all, groups), self._at_once):
            yield planned
        pairs = list(pairs)
        for mapping in unlisted:
            self._log(mapping)
            try:
                found = pairs_of(mapping, await self._context.repositories() if mapping.paths.needs_listing else [])
            except RegistryError as error:
                yield self._unplanned(mapping, error)
                continue
            for pair in found:
                if why := wrong_target(pair.target):
                    yield self._failure(pair, why)
                else:
                    pairs.append(pair)
        shared = by_target(pairs, lambda pair: pair.target)
        async for planned in merged(map(self._plan_pairs, shared), self._at_once):
            yield planned
        rest, self._others = self._others, []
        await self._share(rest)

    async def _plan_pairs(self, pairs: list[Pair]) -> AsyncGenerator[Planned | _Unreached, None]:
        """Source repositories that go to one target repository, one after the other."""
        for pair in pairs:
            try:
                tags = await self._tags(pair)
                async with self._room:
                    immutable = await immutable_tags(pair.mapping, self._route.target, pair.target)
            except RegistryError as error:
                yield self._unplanned(pair, error)
                continue
            # Among a million tags this takes seconds, for which the worker's other jobs would stand still.
            images = (
                await in_threads(CHOOSING, partial(self._choose, pair, tags))
                if len(tags) > MANY
                else self._choose(pair, tags)
            )
            async for planned in self._compare_new(images, immutable, pair):
                yield planned

    async def _compare_new(
        self, images: list[Image], immutable: frozenset[str] = frozenset(), pair: Pair | None = None
    ) -> AsyncGenerator[Planned | _Unreached, None]:
        """Compare what has no other source than this one; `immutable` tags are up to date. `pair`: of all of them."""
        selected = []
        for image in images:
            try:
                if not self._targets.take(image):
                    continue
            except ValueError as error:
                yield self._failure(image, str(error))
                continue
            if image.item.tag in immutable:
                yield up_to_date(self._names, image, "")
            else:
                selected.append(image)
        if pair:
            selected = await self._left_here(pair, selected)
        async for planned in self._compare_all(selected, self._hints(pair, selected) if pair else NO_HINTS):
            yield planned

    async def _left_here(self, pair: Pair, images: list[Image]) -> list[Image]:
        """Those that this planner compares itself; the others are left to whoever takes them.

        Not where images have companions, which are found one after the other, and not where a registry tells of many
        tags at once: it would have to tell each planner.
        """
        few = len(images) <= MOST_ALONE - self._own
        told = self._route.source_digests or self._route.target_digests
        if few or pair.mapping.referrers or told or not await asyncio.to_thread(self._context.has_help):
            self._own += len(images)
            return images
        room = max(0, MOST_ALONE - self._own)
        self._own += room
        self._others += images[room:]
        while len(self._others) >= SHARD:
            some, self._others = self._others[:SHARD], self._others[SHARD:]
            await self._share(some)
        return images[:room]

    async def _share(self, images: list[Image]) -> None:
        """Leave these to others, but for those that an earlier attempt at this plan has put into the run."""
        if not images:
            return
        in_run = await asyncio.to_thread(self._context.already, [self._names.target(image) for image in images])
        left = [image for image in images if self._names.target(image) not in in_run]
        if left:
            await asyncio.to_thread(self._context.share, left)

    def _hints(self, pair: Pair, images: list[Image]) -> Hints:
        return Hints(
            Told(self._route.source_digests, pair.source, [image.source_reference for image in images]),
            Told(self._route.target_digests, pair.target, [image.target_reference for image in images]),
        )

    def _choose(self, pair: Pair, tags: list[str]) -> list[Image]:
        companions = companion_tags(tags) if pair.mapping.referrers else None
        items = pair.mapping.tag_set.select(tags)
        return [pair.image(item, companions, named=self._route.relay == "docker") for item in items]

    def _log(self, mapping: Mapping) -> None:
        hosts = {"source": self._task.source.host, "target": self._task.target.host}
        paths = {"from": mapping.from_, "to": mapping.to or mapping.from_}
        log.debug("mapping", extra=log_fields(task=self._task.name, **hosts, **paths))

    async def _tags(self, pair: Pair) -> list[str]:
        """The source's tags; none where nothing depends on them."""
        tags = list[str]()
        if pair.mapping.tag_set.needs_listing or pair.mapping.referrers:
            async with self._room:
                tags = await self._all_tags(pair)
        self._context.listed(pair.mapping, pair.source, pair.target, tags)
        return tags

    async def _all_tags(self, pair: Pair) -> list[str]:
        try:
            return await self._route.source.tags(pair.source)
        except RegistryError as error:
            # Lists of repositories have some that are gone, or empty.
            if error.kind != "not-found" or not pair.mapping.paths.needs_listing:
                raise
            log.info("listed, and not there: %s", error, extra=log_fields(task=self._task.name))
            return []

    async def _compare_all(
        self, images: list[Image], hints: Hints = NO_HINTS
    ) -> AsyncGenerator[Planned | _Unreached, None]:
        listing: Listing | None = None
        for start in range(0, len(images), RECORD_BATCH):
            batch = images[start : start + RECORD_BATCH]
            in_run = await asyncio.to_thread(self._context.already, [self._names.target(image) for image in batch])
            batch = [image for image in batch if self._names.target(image) not in in_run]
            targets = [self._names.target(image) for image in batch]
            records = await asyncio.to_thread(self._context.records, targets)
            seen: dict[str, SyncRecord] = {}
            more: list[Image] = []
            image_of = dict(zip(targets, batch, strict=True))
            listing = listing_of(self._listing, batch, records, listing)
            known_before = replace(hints, listing=listing)
            comparisons = (self._compare(*pair, seen, known_before) for pair in zip(batch, records, strict=True))
            async for planned in completed(comparisons, self._at_once):
                yield planned
                if not isinstance(planned, _Unreached) and planned.digest:
                    more += image_of[planned.target].companions_of(planned.digest)
            async for planned in self._compare_new(more):
                yield planned
            if seen:
                await asyncio.to_thread(self._context.note_seen, seen)

    def _listing(self, repository: str) -> Listing:
        return self._context.listing(self._route.target, repository)

    async def _compare(
        self, image: Image, record: SyncRecord | None, seen: dict[str, SyncRecord], hints: Hints
    ) -> Planned | _Unreached:
        try:
            async with self._room:
                compared = await self._comparison.of(image, record, hints)
        except RegistryError as error:
            return self._unplanned(image, error)
        if compared.record is not None:
            seen[compared.planned.target] = compared.record
        return compared.planned

    def _unplanned(self, what: Mapping | Pair | Image, error: RegistryError) -> PlannedOutcome | _Unreached:
        if error.kind == "rate-limited":
            raise error
        return _Unreached(what, error) if error.temporary else self._failure(what, str(error))

    def _failure(self, what: Mapping | Pair | Image, error: str) -> PlannedOutcome:
        return failure(self._names, what, error)
