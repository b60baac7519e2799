"""Pacing: a say before each request to a registry, and a look at each answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Pacer(Protocol):
    """Holds requests back as limits demand, and learns from what registries answer."""

    async def before(self, registry: str) -> None:
        """Returns when a request to `registry` may be sent. Raises: RegistryError when that is not soon."""

    async def observe(self, registry: str, status: int, headers: Mapping[str, str]) -> None:
        """An answer came in."""


class NoPacing:
    async def before(self, registry: str) -> None:
        pass

    async def observe(self, registry: str, status: int, headers: Mapping[str, str]) -> None:
        pass
