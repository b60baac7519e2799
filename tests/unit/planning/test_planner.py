"""Planning goes over repositories at once; who has a target does not depend on who answers first."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Any

import pytest

from dregsy_queue.config.models import SyncTask
from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob
from dregsy_queue.matching.tags import TagSet
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.manifests import OCI_MANIFEST, Descriptor
from dregsy_queue.planning.comparison import Planned
from dregsy_queue.planning.context import PlanningContext, Route
from dregsy_queue.planning.images import Image
from dregsy_queue.planning.planner import COMPARISONS, MANY, MOST_ALONE, RECORD_BATCH, SHARD, Planner, Rounds
from dregsy_queue.planning.shards import from_json, to_json
from dregsy_queue.planning.unasked import WORTH_A_LIST, Listing
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.listers.digests import BulkDigests


class Source:
    """Each repository has one tag, told when its gate opens; every image is its own digest."""

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        self.asked: list[str] = []
        self.number = 1

    async def tags(self, repository: str) -> list[str]:
        self.asked.append(repository)
        if gate := self.gates.get(repository):
            await gate.wait()
        return [str(index + 1) for index in range(self.number)]

    async def head(self, repository: str, reference: str) -> Descriptor:
        return Descriptor(Digest(f"sha256:{repository.encode().hex():0>64}"), OCI_MANIFEST)


class Target:
    """Has nothing, but may have tags in its list; without a list it refuses to tell."""

    def __init__(self, listed: Sequence[str] | None = ()) -> None:
        self.listed = listed
        self.told: list[str] = []
        self.asked: list[str] = []

    async def tag_pages(self, repository: str) -> AsyncGenerator[list[str], None]:
        """One tag is a page."""
        if self.listed is None:
            raise RegistryError("no", kind="denied", temporary=False, registry="to")
        for tag in self.listed:
            self.told.append(tag)
            yield [tag]

    async def head_target(self, repository: str, reference: str) -> None:
        self.asked.append(reference)


def planner(
    source: Source,
    *mappings: dict[str, Any],
    repositories: list[str] | None = None,
    target: Target | None = None,
    context: PlanningContext | None = None,
    told: BulkDigests | None = None,
    attempts: int = 1,
) -> Planner:
    task = SyncTask.model_validate(
        {"name": "t", "source": {"registry": "from"}, "target": {"registry": "to"}, "mappings": list(mappings)}
    )

    async def listed() -> list[str]:
        return repositories or []

    asked: Any = context or PlanningContext()
    asked.repositories = listed
    source_client: Any = source
    target_client: Any = target or Target()
    return Planner(Route(task, "skopeo", source_client, target_client, told), asked, Rounds(attempts, 0))


async def collect(plan: Planner) -> list[Planned]:
    return [planned async for planned in plan.plan()]


async def test_a_repository_that_does_not_answer_holds_no_other_up() -> None:
    source = Source()
    source.gates["slow"] = asyncio.Event()
    plan = planner(source, {"from": "regex:.*"}, repositories=["slow", *(f"r{n}" for n in range(200))])
    found = []
    async for planned in plan.plan():
        assert isinstance(planned, TransferJob)
        found.append(planned.source)
        if len(found) == 200:
            source.gates["slow"].set()
    assert found[-1] == "from/slow:1"
    assert len(set(found)) == 201


async def test_requests_under_way_are_bounded_over_all_repositories() -> None:
    source = Source()
    names = [f"r{n}" for n in range(COMPARISONS * 3)]
    source.gates = {name: asyncio.Event() for name in names}
    task = asyncio.create_task(collect(planner(source, {"from": "regex:.*"}, repositories=names)))
    while len(source.asked) < COMPARISONS:
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(source.asked) == COMPARISONS
    for gate in source.gates.values():
        gate.set()
    assert len(await task) == len(names)


async def test_of_two_sources_for_one_target_the_first_in_the_config_wins() -> None:
    source = Source()
    source.gates["a"] = asyncio.Event()
    task = asyncio.create_task(collect(planner(source, {"from": "a", "to": "same"}, {"from": "b", "to": "same"})))
    await asyncio.sleep(0.05)
    source.gates["a"].set()
    first, second = await task
    assert (first.source, type(first)) == ("from/a:1", TransferJob)
    assert isinstance(second, PlannedOutcome)
    assert (second.source, second.error) == (
        "from/b:1",
        "another mapping of this task already copies from/a:1 to this target",
    )


@pytest.mark.parametrize(
    ("number", "listed", "asked"),
    [
        (20, [], 0),
        (20, ["3", "20", "other"], 2),
        # too few to pay for a list
        (WORTH_A_LIST - 1, [], WORTH_A_LIST - 1),
        (20, None, 20),
        # may be the first page of more, from a registry that does not say so
        (20, [f"x{n}" for n in range(100)], 20),
    ],
)
async def test_a_target_is_not_asked_for_tags_that_its_list_lacks(
    number: int, listed: list[str] | None, asked: int
) -> None:
    source, target = Source(), Target(listed)
    source.number = number
    found = await collect(planner(source, {"from": "a"}, target=target))
    assert [planned.reason for planned in found] == ["missing"] * number
    assert len(target.asked) == asked


async def test_a_list_of_a_target_is_read_no_further_than_needed_and_once() -> None:
    source, target = Source(), Target([*(str(n + 1) for n in range(RECORD_BATCH + 20)), "more", "and more"])
    source.number = RECORD_BATCH + 20
    await collect(planner(source, {"from": "a"}, target=target))
    assert len(target.asked) == source.number
    assert target.told == [str(n + 1) for n in range(source.number)]


async def test_the_loop_goes_on_while_is_chosen_among_very_many_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen_in: list[bool] = []
    select = TagSet.select

    def watched(self: TagSet, tags: Sequence[str]) -> Any:
        chosen_in.append(threading.current_thread() is threading.main_thread())
        return select(self, tags)

    monkeypatch.setattr(TagSet, "select", watched)
    for number in (10, MANY + 1):
        source = Source()
        source.number = number
        found = await collect(planner(source, {"from": "a", "tags": ["regex:^[1-3]$"]}))
        assert len(found) == 3
    assert chosen_in == [True, False]


class Helped(PlanningContext):
    """Others could help; what is left to them. Some targets were planned by an earlier attempt."""

    def __init__(self, *, helped: bool = True, planned: Collection[str] = ()) -> None:
        self._helped, self._planned = helped, set(planned)
        self.shared: list[Sequence[Image]] = []

    def has_help(self) -> bool:
        return self._helped

    def already(self, targets: Sequence[str]) -> set[str]:
        return self._planned & set(targets)

    def share(self, images: Sequence[Image]) -> None:
        self.shared.append(images)


LARGE = MOST_ALONE + 2 * SHARD + 7


async def test_most_of_a_large_task_is_left_to_others_and_nothing_is_lost_or_doubled() -> None:
    source, context = Source(), Helped()
    source.number = LARGE
    own = await collect(planner(source, {"from": "app"}, context=context))
    assert len(own) == MOST_ALONE and [len(images) for images in context.shared] == [SHARD, SHARD, 7]
    shared = [planned for part in context.shared for planned in await of_shard(source, part)]
    alone = await collect(planner(source, {"from": "app"}))
    assert sorted(planned.to_json() for planned in own + shared) == sorted(planned.to_json() for planned in alone)


async def test_of_large_repositories_listed_at_once_one_planner_compares_no_more_than_of_one() -> None:
    source, context = Source(), Helped()
    source.number = LARGE
    own = await collect(planner(source, {"from": "a"}, {"from": "b"}, {"from": "c"}, context=context))
    assert len(own) == MOST_ALONE
    left = [(image.source_repository, image.item.tag) for images in context.shared for image in images]
    assert len(left) == len(set(left)) == 3 * LARGE - MOST_ALONE


async def test_small_repositories_are_left_to_others_together() -> None:
    context, number = Helped(), MOST_ALONE + SHARD + 100
    names = [f"r{n}" for n in range(number)]
    found = await collect(planner(Source(), {"from": "regex:.*"}, repositories=names, context=context))
    assert len(found) == MOST_ALONE and [len(images) for images in context.shared] == [SHARD, 100]
    left = {image.source_repository for images in context.shared for image in images}
    assert left | {planned.source.split("/")[1].split(":")[0] for planned in found} == set(names)


async def test_small_repositories_of_a_part_are_listed_at_the_target_each() -> None:
    """As the planner that is alone does it: one list for many images that the target does not have."""
    source, target, context = Source(), Target(), Helped()
    source.number = 20
    names = [f"r{n}" for n in range(MOST_ALONE // 20 + 10)]
    await collect(planner(source, {"from": "regex:.*"}, repositories=names, context=context))
    (part,) = context.shared
    assert len([planned async for planned in planner(source, {"from": "x"}, target=target).plan(part)]) == 200
    assert target.asked == []


async def test_a_list_is_read_on_for_others_when_a_planner_is_cancelled() -> None:
    gate = asyncio.Event()

    class Pages(Target):
        async def tag_pages(self, repository: str) -> AsyncGenerator[list[str]]:
            yield ["1"]
            await gate.wait()
            yield ["2"]

    pages: Any = Pages()
    listing = Listing(pages, "app")
    assert not await listing.lacks("1")
    asked = asyncio.create_task(listing.lacks("2"))
    await asyncio.sleep(0.01)
    asked.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asked
    gate.set()
    assert not await listing.lacks("2") and await listing.lacks("3")


async def test_two_mappings_for_one_target_are_seen_although_others_compare() -> None:
    source, context = Source(), Helped()
    source.number = LARGE
    found = await collect(planner(source, {"from": "a", "to": "x"}, {"from": "b", "to": "x"}, context=context))
    failed = [planned for planned in found if isinstance(planned, PlannedOutcome) and planned.error]
    assert len(failed) == LARGE and {planned.source.split(":")[0] for planned in failed} == {"from/b"}
    assert {image.source_repository for images in context.shared for image in images} == {"a"}


@pytest.mark.parametrize("why", ["nobody could help", "small", "referrers", "many tags in one request"])
async def test_what_is_not_left_to_others(why: str) -> None:
    source, context = Source(), Helped(helped=why != "nobody could help")
    source.number = MOST_ALONE if why == "small" else LARGE
    told: Any = BulkDigests(NothingTold(), source.head, "from") if why == "many tags in one request" else None
    mapping = {"from": "app", **({"referrers": True} if why == "referrers" else {})}
    found = await collect(planner(source, mapping, context=context, told=told))
    assert len(found) == source.number and not context.shared


async def test_a_second_round_leaves_only_to_others_what_is_new_in_it() -> None:
    source, context = Unsteady(), Helped()
    source.number = LARGE
    await collect(planner(source, {"from": "app"}, {"from": "late"}, context=context, attempts=2))
    left = [(image.source_repository, image.item) for images in context.shared for image in images]
    assert len(left) == len(set(left)) == 2 * LARGE - MOST_ALONE


async def test_what_an_earlier_attempt_planned_is_not_left_to_others_again() -> None:
    source = Source()
    source.number = LARGE
    tags = sorted(str(number + 1) for number in range(LARGE))
    context = Helped(planned=[f"to/app:{tag}" for tag in tags[: LARGE - 5]])
    assert await collect(planner(source, {"from": "app"}, context=context)) == []
    assert [[image.item.tag for image in images] for images in context.shared] == [tags[LARGE - 5 :]]


class Unsteady(Source):
    """Does not tell the tags of one repository when it is first asked."""

    async def tags(self, repository: str) -> list[str]:
        if repository == "late" and repository not in self.asked:
            self.asked.append(repository)
            raise RegistryError("not now", kind="unavailable", temporary=True, registry="from")
        return await super().tags(repository)


class NothingTold:
    async def digests(self, repository: str, wanted: Collection[str]) -> Mapping[str, Descriptor]:
        return {}


async def of_shard(source: Source, images: Sequence[Image]) -> list[Planned]:
    """As another worker plans it."""
    travelled = from_json(to_json(images), named=False)
    assert travelled == list(images)
    return [planned async for planned in planner(source, {"from": "app"}).plan(travelled)]


@pytest.mark.parametrize(
    "text", ["", "7", "[1]", '[["a/../b","x","",["1"]]]', '[["a","x","",["../1"]]]', '[["a","x"]]']
)
def test_a_part_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        from_json(text, named=False)
