"""What does a target have that no mapping selects (any more)?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.concurrency import completed
from dregsy_queue.config.models import Config, SyncTask
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.oci.reference import parts_of
from dregsy_queue.planning.companions import is_list_of_referrers
from dregsy_queue.registry.errors import RegistryError

#: Target lists that are asked for at once.
AT_ONCE = 16


@dataclass(frozen=True)
class TaskTargets:
    """Where a task writes: repositories whose selection is known, and all that it wants to be there.

    `wanted` are whole references; one without tag and digest stands for a repository whose tags could not be listed.
    `blind`: it is not even known which repositories the task writes to.
    """

    task: SyncTask
    repositories: tuple[str, ...]
    wanted: tuple[str, ...]
    blind: bool


async def left_over(config: Config, tasks: Sequence[TaskTargets], access: RegistryAccess) -> list[list[str]]:
    """Whole references by task, sorted; each is told once.

    Registries that tasks other than `tasks` write to are left out, and those where what is wanted is not all known.
    """
    chosen = {targets.task.name for targets in tasks}
    unknown = {registry_key(task.target.host) for task in config.tasks if task.name not in chosen}
    unknown |= {registry_key(targets.task.target.host) for targets in tasks if targets.blind}
    wanted: dict[tuple[str, str], set[str]] = {}
    told: set[tuple[str, str]] = set()
    for host, repository, tag in (_parts(name) for targets in tasks for name in targets.wanted):
        if tag:
            wanted.setdefault((host, repository), set()).add(tag)
        else:
            told.add((host, repository))
    found = []
    for targets in tasks:
        registry = registry_key(targets.task.target.host)
        named = [] if registry in unknown else [name for name in targets.repositories if (registry, name) not in told]
        told.update((registry, name) for name in named)
        looks = (_look(targets.task, name, wanted.get((registry, name), set()), access) for name in named)
        found.append(sorted([tag async for tags in completed(looks, AT_ONCE) for tag in tags]))
    return found


def _parts(name: str) -> tuple[str, str, str]:
    """Registry, repository, and tag or digest."""
    parts = parts_of(name)
    return registry_key(parts.registry), parts.repository, parts.tag or parts.digest


async def _look(task: SyncTask, repository: str, wanted: set[str], access: RegistryAccess) -> list[str]:
    try:
        tags = await access.client(task.target).tags(repository)
    except RegistryError:
        # The repository does not exist yet, or cannot be listed; a sync needs neither.
        return []
    lists = any(mapping.referrers for mapping in task.mappings)
    extra = (tag for tag in tags if tag not in wanted and not (lists and is_list_of_referrers(tag)))
    return [f"{task.target.host}/{repository}:{tag}" for tag in extra]
