"""What would a sync do now, and why? The planner of the sync itself, whose jobs are shown and not run.

Only HEADs and lists are sent; and GETs where the sync, too, must read an index to know the one platform that is
wanted. Nothing is changed anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.access.local_pacer import LocalPacer
from dregsy_queue.access.repositories import ListsInMemory, list_repositories
from dregsy_queue.concurrency import completed
from dregsy_queue.config.models import Config, Mapping, SyncTask
from dregsy_queue.config.registries import limits_for
from dregsy_queue.config.selection import relay_of
from dregsy_queue.ledger.jobs import PlannedOutcome, SyncRecord, TransferJob
from dregsy_queue.matching.attrition import Attrition, attrition
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.oci.reference import Reference
from dregsy_queue.planning.comparison import Planned
from dregsy_queue.planning.context import PlanningContext, Route
from dregsy_queue.planning.left_over import TaskTargets, left_over
from dregsy_queue.planning.planner import Planner, Rounds
from dregsy_queue.planning.pulls import Estimate, estimate
from dregsy_queue.planning.sizes import image_size
from dregsy_queue.registry.errors import RegistryError

#: Tasks that are planned at once, and sizes and target lists that are asked for at once.
TASKS_AT_ONCE, REQUESTS_AT_ONCE = 4, 16
#: Tries and the wait between them (seconds): a person waits for the answer.
ATTEMPTS, BACKOFF = 2, 1.0

#: Sync records by task and targets; may block.
LookUp = Callable[[str, Sequence[str]], list[SyncRecord | None]]
Reason = Literal["missing", "changed", "drifted", "up-to-date", "planning", "not-selected"]


@dataclass(frozen=True)
class Row:
    """One image. `planning`: it cannot be planned, and `error` says why; ``not-selected``: the target has it, and no
    mapping selects it (any more)."""

    task: str
    source: str
    target: str
    platform: str
    action: Literal["copy", "none"]
    reason: Reason
    digest: str = ""
    pulls: int = 0
    error: str = ""
    #: a record of its last sync exists; without one nobody knows which side changed
    recorded: bool = False
    #: bytes to send at most; None: not asked
    size: int | None = None


@dataclass(frozen=True)
class Selection:
    """What the filters of a mapping leave of one repository; names without registry."""

    source: str
    target: str
    counts: Attrition


@dataclass(frozen=True)
class TaskPreview:
    task: SyncTask
    rows: tuple[Row, ...]
    selections: tuple[Selection, ...]

    @property
    def targets(self) -> TaskTargets:
        """What it wants at its target."""
        listed = dict.fromkeys(selection.target for selection in self.selections)
        blind = any(row.error and (row.source.endswith("/") or "/regex:" in row.source) for row in self.rows)
        return TaskTargets(self.task, tuple(listed), tuple(row.target for row in self.rows), blind)


@dataclass(frozen=True)
class Preview:
    tasks: tuple[TaskPreview, ...]
    #: for registries that something is copied from
    estimates: tuple[Estimate, ...]

    @property
    def rows(self) -> list[Row]:
        return [row for task in self.tasks for row in task.rows]


async def preview(
    config: Config,
    tasks: Sequence[SyncTask],
    access: RegistryAccess,
    pacer: LocalPacer,
    look_up: LookUp,
    *,
    sizes: bool,
) -> Preview:
    """Plan `tasks`, whose clients `access` makes under `pacer`. What cannot be planned is a row."""
    lists, gate = ListsInMemory(), asyncio.Semaphore(TASKS_AT_ONCE)

    async def one(task: SyncTask) -> TaskPreview:
        async with gate:
            return await _TaskPlan(config, task, access, lists, look_up).run(sizes=sizes)

    planned = list(await asyncio.gather(*map(one, tasks)))
    extra = await left_over(config, [task.targets for task in planned], access)
    for number, names in enumerate(extra):
        rows = (*planned[number].rows, *(_not_selected(tasks[number], name) for name in names))
        planned[number] = replace(planned[number], rows=rows)
    return Preview(tuple(planned), tuple(_estimates(config, planned, pacer)))


def _not_selected(task: SyncTask, target: str) -> Row:
    return Row(task.name, "", target, "", "none", "not-selected")


class _TaskPlan(PlanningContext):
    def __init__(
        self, config: Config, task: SyncTask, access: RegistryAccess, lists: ListsInMemory, look_up: LookUp
    ) -> None:
        self._config, self._task, self._access = config, task, access
        self._lists, self._look_up = lists, look_up
        self._selections: list[Selection] = []
        self._recorded: set[str] = set()

    async def run(self, *, sizes: bool) -> TaskPreview:
        rows: list[Row] = []
        try:
            route = Route(
                self._task,
                relay_of(self._config, self._task),
                self._access.client(self._task.source),
                self._access.client(self._task.target),
                self._access.source_digests(self._task.source),
                self._access.target_digests(self._task.target),
            )
            planner = Planner(route, self, Rounds(ATTEMPTS, BACKOFF))
            rows = [self._row(planned) async for planned in planner.plan()]
        except RegistryError as error:
            # The sync waits and goes on; a preview says what it has.
            whole = f"{self._task.source.host}/", f"{self._task.target.host}/"
            rows.append(Row(self._task.name, *whole, "", "none", "planning", error=f"the rest is not planned: {error}"))
        if sizes:
            rows = await self._with_sizes(rows)
        rows.sort(key=lambda row: (row.source, row.target))
        return TaskPreview(self._task, tuple(rows), tuple(self._selections))

    async def repositories(self) -> list[str]:
        return await list_repositories(self._config, self._task, self._access, self._lists)

    def listed(self, mapping: Mapping, source: str, target: str, tags: Sequence[str]) -> None:
        self._selections.append(Selection(source, target, attrition(mapping.tags, tags)))

    def records(self, targets: Sequence[str]) -> list[SyncRecord | None]:
        records = self._look_up(self._task.name, targets)
        self._recorded.update(target for target, record in zip(targets, records, strict=True) if record)
        return records

    def _row(self, planned: Planned) -> Row:
        names = (self._task.name, planned.source, planned.target, planned.platform)
        recorded = planned.target in self._recorded
        if isinstance(planned, TransferJob):
            return Row(*names, "copy", planned.reason, planned.digest, planned.pulls, recorded=recorded)
        assert isinstance(planned, PlannedOutcome)
        return Row(*names, "none", planned.reason, planned.digest, error=planned.error, recorded=recorded)

    async def _with_sizes(self, rows: list[Row]) -> list[Row]:
        client = self._access.client(self._task.source)

        async def sized(row: Row) -> Row:
            if row.action != "copy":
                return row
            repository = Reference.parse_full(row.source).repository
            return replace(row, size=await image_size(client, repository, row.digest))

        return [row async for row in completed(map(sized, rows), REQUESTS_AT_ONCE)]


def _estimates(config: Config, planned: Sequence[TaskPreview], pacer: LocalPacer) -> list[Estimate]:
    copies: dict[str, list[Row]] = {}
    for preview in planned:
        rows = [row for row in preview.rows if row.action == "copy"]
        if rows:
            copies.setdefault(registry_key(preview.task.source.host), []).extend(rows)
    found = []
    for registry, rows in copies.items():
        limits = limits_for(config.registries, registry)
        pulls = sum(row.pulls for row in rows)
        found.append(
            estimate(registry, pulls, len(rows), pacer.quotas.get(registry), reserve=limits.reserve or 0,
                     limit=limits.transfers)
        )  # fmt: skip
    return found
