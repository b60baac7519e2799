"""The catalog of a registry (OCI distribution-spec's predecessor, Docker Registry HTTP API v2, "Catalog")."""

from __future__ import annotations

from dataclasses import dataclass

from dregsy_queue.registry.client import RegistryClient


@dataclass(frozen=True)
class CatalogLister:
    client: RegistryClient

    async def repositories(self, limit: int | None) -> list[str]:
        return await self.client.catalog(limit)
