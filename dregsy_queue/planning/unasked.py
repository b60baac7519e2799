"""Which images need no look at the target? Those that never change, and those that were looked for not long ago."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dregsy_queue.config import models
from dregsy_queue.ledger.jobs import SyncRecord
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.errors import RegistryError

#: Is told which targets were seen to have what their records say; may block.
NoteSeen = Callable[[Mapping[str, SyncRecord]], None]


async def immutable_tags(mapping: models.Mapping, target: RegistryClient, repository: str) -> frozenset[str]:
    """Tags that the target has and that never change, by the mapping's word. Costs one list, where there may be any.

    Raises: RegistryError where the target cannot be asked now. Where it has no list, nothing is known.
    """
    if not mapping.immutable:
        return frozenset()
    try:
        tags = await target.tags(repository)
    except RegistryError as error:
        if error.temporary or error.kind == "rate-limited":
            raise
        return frozenset()
    return frozenset(filter(mapping.is_immutable, tags))


def is_fresh(record: SyncRecord, drift_check: float) -> bool:
    """Whether the target was seen to have what `record` says less than `drift_check` seconds ago."""
    return record.age is not None and record.age < drift_check
