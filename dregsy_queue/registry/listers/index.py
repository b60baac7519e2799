"""Search in a registry's index (Docker Registry v1, "Search"), as Docker Hub still offers it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.errors import RegistryError

#: What the v1 API gives at most.
MOST = 100


@dataclass(frozen=True)
class IndexLister:
    """`client` talks to the index: ``index.docker.io`` for Docker Hub, the registry itself otherwise."""

    client: RegistryClient
    search: str

    async def repositories(self, limit: int | None) -> list[str]:
        number = min(limit or MOST, MOST)
        query = urlencode({"q": self.search.removeprefix("library/"), "n": number})
        document = await self.client.get_json(f"/v1/search?{query}", what=f"search for '{self.search}'")
        results = document.get("results") if isinstance(document, dict) else None
        if not isinstance(results, list):
            raise RegistryError(
                f"{self.client.registry}: its answer to a search has no results",
                kind="invalid",
                temporary=False,
                registry=self.client.registry,
            )
        names = [str(found.get("name", "")) for found in results if isinstance(found, dict)]
        return [name for name in names if name][:number]
