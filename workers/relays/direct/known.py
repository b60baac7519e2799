"""What targets are known to have, for a while: nobody is asked twice for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

#: Seconds for which it is believed: a registry that deletes what nobody names may do so later.
BELIEVED = 300.0
#: Entries kept; the oldest go first.
MOST = 50_000


@dataclass(frozen=True)
class Place:
    """A repository of a target registry."""

    registry: str
    repository: str


class Known:
    """Blobs and manifests by place; to be used on one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._here: dict[tuple[Place, str], float] = {}
        #: registry and digest → a repository that has it
        self._where: dict[tuple[str, str], str] = {}

    def has(self, place: Place, digest: str) -> bool:
        since = self._here.get((place, digest))
        return since is not None and self._clock() - since < BELIEVED

    def where(self, registry: str, digest: str) -> str | None:
        """A repository of `registry` that has a blob."""
        repository = self._where.get((registry, digest))
        return repository if repository and self.has(Place(registry, repository), digest) else None

    def learn(self, place: Place, digest: str) -> None:
        self._here.pop((place, digest), None)
        self._here[place, digest] = self._clock()
        self._where[place.registry, digest] = place.repository
        while len(self._here) > MOST:
            oldest, gone = next(iter(self._here))
            self.forget(oldest, gone)

    def forget(self, place: Place, digest: str) -> None:
        self._here.pop((place, digest), None)
        if self._where.get((place.registry, digest)) == place.repository:
            del self._where[place.registry, digest]
