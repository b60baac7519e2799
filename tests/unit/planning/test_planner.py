"""Planning goes over repositories at once; who has a target does not depend on who answers first."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from dregsy_queue.config.models import SyncTask
from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob
from dregsy_queue.matching.tags import TagSet
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.manifests import OCI_MANIFEST, Descriptor
from dregsy_queue.planning.comparison import Planned
from dregsy_queue.planning.context import PlanningContext, Route
from dregsy_queue.planning.planner import COMPARISONS, MANY, Planner, Rounds
from dregsy_queue.planning.unasked import WORTH_A_LIST
from dregsy_queue.registry.errors import RegistryError


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
        self.asked: list[str] = []

    async def tags(self, repository: str) -> list[str]:
        if self.listed is None:
            raise RegistryError("no", kind="denied", temporary=False, registry="to")
        return list(self.listed)

    async def head_target(self, repository: str, reference: str) -> None:
        self.asked.append(reference)


def planner(
    source: Source, *mappings: dict[str, Any], repositories: list[str] | None = None, target: Target | None = None
) -> Planner:
    task = SyncTask.model_validate(
        {"name": "t", "source": {"registry": "from"}, "target": {"registry": "to"}, "mappings": list(mappings)}
    )

    class Context(PlanningContext):
        async def repositories(self) -> list[str]:
            return repositories or []

    source_client: Any = source
    target_client: Any = target or Target()
    return Planner(Route(task, "skopeo", source_client, target_client), Context(), Rounds(1, 0))


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
