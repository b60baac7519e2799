"""Credentials that are fetched, kept while they are valid, and fetched again before they expire."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from dregsy_queue import redact
from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.concurrency import CLOUD_THREADS, SingleFlight, in_threads
from dregsy_queue.oci.login import Credentials

#: Credentials are renewed when this part of their life is left.
MARGIN = 0.1


@dataclass(frozen=True)
class Fetched:
    """Credentials that are good for `seconds` from now."""

    credentials: Credentials
    seconds: float


class CachedSource(ABC):
    """A source whose equals (they are frozen data) share what was fetched."""

    async def credentials(self, repository: str = "") -> Credentials | None:
        return await CACHE.get(self)

    @abstractmethod
    def fetch(self, now: float) -> Fetched:
        """Ask for credentials; may block, as it runs in a thread. `now`: Unix time. Raises: RegistryError of kind
        ``auth``."""


class CredentialsCache:
    """What sources have fetched. Callers that want the same at once share one fetch."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        #: by source: its credentials, and until when they are used, on the monotonic clock
        self._known: dict[CachedSource, tuple[Credentials, float]] = {}
        self._fetches = SingleFlight[CachedSource, Credentials]()

    async def get(self, source: CachedSource) -> Credentials:
        """Raises: RegistryError of kind ``auth``."""
        known = self._known.get(source)
        if known and self._clock.monotonic() < known[1]:
            return known[0]
        return await self._fetches.run(source, lambda: self._fetch(source), remember=False)

    async def _fetch(self, source: CachedSource) -> Credentials:
        fetched = await in_threads(CLOUD_THREADS, lambda: source.fetch(self._clock.time()))
        redact.hide(fetched.credentials.password, fetched.credentials.username)
        redact.hide(fetched.credentials.identity_token, fetched.credentials.username)
        self._known[source] = (fetched.credentials, self._clock.monotonic() + fetched.seconds * (1 - MARGIN))
        return fetched.credentials


#: Of this process: a new config, and another session with a registry, go on with the tokens of before.
CACHE = CredentialsCache()
