"""Which registries do not answer a HEAD of a manifest? Found out once, and remembered."""

from __future__ import annotations

from typing import Protocol


class HeadMemory(Protocol):
    """Remembers registries whose HEADs do not work, so that not every image is asked for twice."""

    def is_refused(self, registry: str) -> bool:
        """Whether HEADs of this registry are known not to work; costs no call."""

    async def remember(self, registry: str) -> None:
        """HEADs of this registry do not work."""


class ProcessMemory:
    """For as long as the process lives."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def is_refused(self, registry: str) -> bool:
        return registry in self._refused

    async def remember(self, registry: str) -> None:
        self._refused.add(registry)
