"""Which registries do not answer a HEAD of a manifest? Found out once, and remembered."""

from __future__ import annotations

from typing import Protocol

from dregsy_queue.clock import SYSTEM, Clock

#: Seconds for which a registry is known not to answer HEADs: it may be mended, or replaced.
DAY = 86400.0
#: The same where its answer was an error that may pass: it may be back at once.
WHILE = 300.0


class HeadMemory(Protocol):
    """Remembers registries whose HEADs do not work, so that not every image is asked for twice."""

    async def is_refused(self, registry: str) -> bool:
        """Whether HEADs of this registry are known not to work; asked before each image, so it must be cheap."""

    async def remember(self, registry: str, seconds: float) -> None:
        """HEADs of this registry do not work, for as long as that."""

    async def pulled(self, registry: str) -> None:
        """A manifest was read in place of a HEAD, which registries count as a pull."""


class ProcessMemory:
    """For as long as the process lives."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        #: registry → until when, on the monotonic clock
        self._refused: dict[str, float] = {}

    async def is_refused(self, registry: str) -> bool:
        return self._clock.monotonic() < self._refused.get(registry, 0.0)

    async def remember(self, registry: str, seconds: float) -> None:
        self._refused[registry] = max(self._refused.get(registry, 0.0), self._clock.monotonic() + seconds)

    async def pulled(self, registry: str) -> None:
        pass
