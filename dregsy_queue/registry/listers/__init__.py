"""Listers: which repositories a registry has; a new one is one file and one line in `choose`. What their tags name:
`digests`."""

from __future__ import annotations

from typing import Protocol


class Lister(Protocol):
    async def repositories(self, limit: int | None) -> list[str]:
        """Names without leading ``/``, at most `limit` of them (None: all).

        Raises:
            RegistryError: it cannot be listed.
        """
