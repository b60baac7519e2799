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
        #: the same by the word of other workers
        self._told: dict[tuple[str, str], tuple[str, ...]] = {}

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

    def hear(self, registry: str, digest: str, repositories: tuple[str, ...]) -> None:
        """Other workers saw a blob in these repositories."""
        self._told.pop((registry, digest), None)
        self._told[registry, digest] = repositories
        if len(self._told) > MOST:
            del self._told[next(iter(self._told))]

    def told(self, registry: str, digest: str) -> tuple[str, ...]:
        """Repositories that may have a blob; to be asked before it is believed."""
        return self._told.get((registry, digest), ())

    def disbelieve(self, registry: str, digest: str) -> None:
        self._told.pop((registry, digest), None)

    def forget(self, place: Place, digest: str) -> None:
        self._here.pop((place, digest), None)
        if self._where.get((place.registry, digest)) == place.repository:
            del self._where[place.registry, digest]
