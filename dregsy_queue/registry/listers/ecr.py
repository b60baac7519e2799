"""The repositories of an ECR registry, by AWS' API: ECR has no catalog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dregsy_queue.concurrency import CLOUD_THREADS, in_threads

if TYPE_CHECKING:
    from dregsy_queue.registry.credentials.ecr import EcrSource


@dataclass(frozen=True)
class EcrLister:
    source: EcrSource

    async def repositories(self, limit: int | None) -> list[str]:
        return await in_threads(CLOUD_THREADS, lambda: self.source.repositories(limit))
