"""The repositories of an ECR registry, by AWS' API: ECR has no catalog."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dregsy_queue.registry.credentials.ecr import EcrSource


@dataclass(frozen=True)
class EcrLister:
    source: EcrSource

    async def repositories(self, limit: int | None) -> list[str]:
        return await asyncio.to_thread(self.source.repositories, limit)
