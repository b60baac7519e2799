"""What cannot be reached is tried again in rounds, and the waits between them come once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dregsy_queue.config.models import SyncTask
from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob
from dregsy_queue.ledger.plan_waits import PlanWait
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.manifests import OCI_MANIFEST, Descriptor
from dregsy_queue.planning.comparison import Planned
from dregsy_queue.planning.context import PlanningContext, Route
from dregsy_queue.planning.planner import Planner, Rounds
from dregsy_queue.registry.errors import Kind, RegistryError
from tests.lab.clock import FakeClock

TASK = SyncTask.model_validate(
    {
        "name": "t",
        "source": {"registry": "from.example"},
        "target": {"registry": "to.example"},
        "mappings": [{"from": "a", "tags": ["1", "2", "3"]}],
    }
)


class Source:
    """Has every image, and fails as often as it is told."""

    def __init__(self, failures: dict[str, list[RegistryError]]) -> None:
        self.failures = failures

    async def head(self, repository: str, reference: str) -> Descriptor:
        if self.failures.get(reference):
            raise self.failures[reference].pop(0)
        return Descriptor(Digest("sha256:" + "1" * 64), OCI_MANIFEST)


class Nothing:
    async def head_target(self, repository: str, reference: str) -> None:
        return None


def fails(kind: Kind, *, temporary: bool) -> RegistryError:
    return RegistryError(f"from.example: {kind}", kind=kind, temporary=temporary, registry="from.example")


async def plan(
    failures: dict[str, list[RegistryError]], clock: FakeClock, attempts: int = 3, already: frozenset[str] = frozenset()
) -> tuple[list[Planned], list[PlanWait]]:
    source: Any = Source(failures)
    target: Any = Nothing()
    told: list[PlanWait] = []

    class Context(PlanningContext):
        def waits(self, wait: PlanWait) -> None:
            told.append(wait)

        def already(self, targets: Sequence[str]) -> set[str]:
            return set(already.intersection(targets))

    planner = Planner(Route(TASK, "skopeo", source, target), Context(), Rounds(attempts, 10, clock))
    return [planned async for planned in planner.plan()], told


async def test_nothing_waits_when_all_answer() -> None:
    clock = FakeClock()
    planned, told = await plan({}, clock)
    assert sorted(image.target for image in planned) == [f"to.example/a:{tag}" for tag in "123"]
    assert all(isinstance(image, TransferJob) for image in planned) and clock.slept == [] and told == []


async def test_a_passing_failure_is_tried_again_after_the_others() -> None:
    clock = FakeClock()
    planned, told = await plan({"2": [fails("unavailable", temporary=True)]}, clock)
    assert [image.target for image in planned][-1] == "to.example/a:2" and len(planned) == 3
    assert all(isinstance(image, TransferJob) for image in planned)
    assert len(clock.slept) == 1 and (told[0].number, told[0].attempt) == (1, 2)


async def test_many_failures_wait_together_and_are_bounded() -> None:
    clock = FakeClock()
    planned, _ = await plan({tag: [fails("unavailable", temporary=True)] * 9 for tag in "123"}, clock)
    assert [type(image) for image in planned] == [PlannedOutcome] * 3
    assert len(clock.slept) == 2, "three rounds, two waits, whatever the number of images"
    assert clock.slept[0] < clock.slept[1] * 2 and 5 <= clock.slept[0] <= 15


async def test_what_will_be_the_same_next_time_is_not_tried_again() -> None:
    clock = FakeClock()
    planned, _ = await plan({"2": [fails("denied", temporary=False)]}, clock)
    failed = [image for image in planned if isinstance(image, PlannedOutcome)]
    assert [image.error for image in failed] == ["from.example: denied"] and clock.slept == []


async def test_a_refusal_ends_this_plan() -> None:
    with pytest.raises(RegistryError, match="rate-limited"):
        await plan({"2": [fails("rate-limited", temporary=True)]}, FakeClock())


async def test_what_an_earlier_attempt_planned_is_not_asked_for_again() -> None:
    """A registry that lets few requests through is planned in many attempts; each must get further than the last."""
    refusal = fails("rate-limited", temporary=True)
    done = frozenset(f"to.example/a:{tag}" for tag in "12")
    planned, _ = await plan({"1": [refusal], "2": [refusal]}, FakeClock(), already=done)
    assert [image.target for image in planned] == ["to.example/a:3"]
