"""What do targets have? Remembered for a while, so that no registry is asked twice."""

from __future__ import annotations

from dataclasses import dataclass

from dregsy_queue.clock import SYSTEM, Clock

#: Seconds for which it is believed: a registry that deletes what nobody names may do so later.
BELIEVED = 300.0
#: Entries and runs kept; the oldest go first.
MOST, MOST_RUNS = 50_000, 1_000


@dataclass(frozen=True)
class RepositoryKey:
    """A repository of a target registry."""

    registry: str
    name: str


class Known:
    """Blobs and manifests by repository; to be used on one event loop."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._here: dict[tuple[RepositoryKey, str], float] = {}
        #: by run: when it began here
        self._runs: dict[str, float] = {}
        #: registry and digest → a repository that has it
        self._where: dict[tuple[str, str], str] = {}
        #: the same by the word of other workers
        self._told: dict[tuple[str, str], tuple[str, ...]] = {}

    def has(self, repository: RepositoryKey, digest: str, after: float = 0.0) -> bool:
        """`after`: what was seen earlier does not count, as `begun` tells it."""
        since = self._here.get((repository, digest))
        return since is not None and since >= after and self._clock.monotonic() - since < BELIEVED

    def begun(self, run: str) -> float:
        """When the first copy of a run began here. What a target had before may be deleted: it is asked again, once."""
        began = self._runs.setdefault(run, self._clock.monotonic())
        if len(self._runs) > MOST_RUNS:
            del self._runs[next(iter(self._runs))]
        return began

    def where(self, registry: str, digest: str) -> str | None:
        """A repository of `registry` that has a blob."""
        repository = self._where.get((registry, digest))
        return repository if repository and self.has(RepositoryKey(registry, repository), digest) else None

    def learn(self, repository: RepositoryKey, digest: str) -> None:
        self._here.pop((repository, digest), None)
        self._here[repository, digest] = self._clock.monotonic()
        self._where[repository.registry, digest] = repository.name
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

    def forget(self, repository: RepositoryKey, digest: str) -> None:
        self._here.pop((repository, digest), None)
        if self._where.get((repository.registry, digest)) == repository.name:
            del self._where[repository.registry, digest]
