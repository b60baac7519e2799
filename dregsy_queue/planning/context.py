"""What does a planner work between, what does it ask besides registries, and whom does it tell?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dregsy_queue.config import models
from dregsy_queue.config.models import SyncTask
from dregsy_queue.ledger.jobs import SyncRecord
from dregsy_queue.ledger.plan_waits import PlanWait
from dregsy_queue.planning.images import Image
from dregsy_queue.planning.unasked import Listing
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.listers.digests import BulkDigests


@dataclass(frozen=True)
class Route:
    """A task, the relay that will copy its images, and the registries between which it does."""

    task: SyncTask
    relay: str
    source: RegistryClient
    target: RegistryClient
    #: what tells of many tags at once
    source_digests: BulkDigests | None = None
    target_digests: BulkDigests | None = None


class PlanningContext:
    """What a planner asks and tells. This one knows nothing and keeps nothing; others override what they do better.
    All methods but `repositories` run in a thread and may block, for example on Redis; `listed` and `listing` must not
    block."""

    async def repositories(self) -> list[str]:
        """The source's repositories, for mappings that choose among them. Raises: RegistryError."""
        return []

    def records(self, targets: Sequence[str]) -> list[SyncRecord | None]:
        """What the last sync of each of these target references left; as many as `targets`."""
        return [None for _ in targets]

    def already(self, targets: Sequence[str]) -> set[str]:
        """Which of these target references need no second look: this run has planned them before."""
        return set()

    def listed(self, mapping: models.Mapping, source: str, target: str, tags: Sequence[str]) -> None:
        """A source repository has these tags (none where the mapping names all that it wants)."""

    def listing(self, target: RegistryClient, repository: str) -> Listing:
        """The list of a target repository's tags, not older than this run. Called on the event loop."""
        return Listing(target, repository)

    def has_help(self) -> bool:
        """Whether other planners could compare a part of what this run has."""
        return False

    def share(self, images: Sequence[Image]) -> None:
        """Leave the comparison of these to whichever planner takes it. Only called after `has_help` said so;
        several threads may call it at once."""
        raise NotImplementedError

    def waits(self, wait: PlanWait) -> None:
        """Some images could not be compared; the next round comes later."""

    def note_seen(self, records: Mapping[str, SyncRecord]) -> None:
        """These targets were seen to be up to date, and are worth a record."""
