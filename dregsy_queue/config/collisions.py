"""Targets that two mappings write from different sources, as far as a config alone tells.

It tells where repositories and tags are named; what filters and expressions select is known, and reported, when a
task is planned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dregsy_queue.config.models import Config, SyncTask
from dregsy_queue.config.yaml_lines import Path
from dregsy_queue.oci.hosts import registry_key


@dataclass(frozen=True)
class Collision:
    """`path` is the mapping that comes second; `one_task`: the first one belongs to the same task."""

    path: Path
    message: str
    one_task: bool


@dataclass(frozen=True)
class _Write:
    task: int
    mapping: int
    target: str
    source: str


def collisions(config: Config) -> Iterator[Collision]:
    """Every later mapping that writes a target of an earlier one, once."""
    first: dict[str, _Write] = {}
    told: set[tuple[int, int]] = set()
    for number, task in enumerate(config.tasks):
        for write in _writes(number, task):
            earlier = first.setdefault(write.target, write)
            if earlier.source == write.source or (write.task, write.mapping) in told:
                continue
            told.add((write.task, write.mapping))
            path: Path = ("tasks", write.task, "mappings", write.mapping)
            where = f"mappings[{earlier.mapping}]"
            if earlier.task != write.task:
                where += f" of task '{config.tasks[earlier.task].name}'"
            message = f"{where} writes {write.target} too, from {earlier.source}; give one of them another 'to'"
            yield Collision(path, message, earlier.task == write.task)


def _writes(number: int, task: SyncTask) -> Iterator[_Write]:
    """What the mappings of a task write for certain."""
    source_host, target_host = registry_key(task.source.host), registry_key(task.target.host)
    for index, mapping in enumerate(task.mappings):
        tags = mapping.tag_set
        # `keep: latest N` may drop what is named.
        if mapping.paths.needs_listing or tags.latest:
            continue
        for source, target in mapping.paths.pairs():
            for item in tags.verbatim:
                if item.tag:
                    wanted = f"{source_host}{source}{f'@{item.digest}' if item.digest else f':{item.tag}'}"
                    shown = f"{wanted} ({mapping.platform})" if mapping.platform else wanted
                    yield _Write(number, index, f"{target_host}{target}:{item.tag}", shown)
