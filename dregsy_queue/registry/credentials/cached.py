"""Credentials that are fetched, kept while they are valid, and fetched again before they expire."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass

from dregsy_queue import redact
from dregsy_queue.concurrency import CLOUD_THREADS, SingleFlight, in_threads
from dregsy_queue.oci.login import Credentials

#: They are renewed when this part of their life is left.
MARGIN = 0.1


@dataclass(frozen=True)
class Fetched:
    """Credentials that are good for `seconds` from now."""

    credentials: Credentials
    seconds: float


_kept: dict[KeptSource, tuple[Credentials, float]] = {}
_fetches: SingleFlight[KeptSource, Credentials] = SingleFlight()


class KeptSource(ABC):
    """A source whose equals (they are frozen data) share what was fetched; `fetch` may block, it runs in a thread."""

    async def credentials(self, repository: str = "") -> Credentials | None:
        known = _kept.get(self)
        if known and time.monotonic() < known[1]:
            return known[0]
        return await _fetches.run(self, self._renew, remember=False)

    async def _renew(self) -> Credentials:
        fetched = await in_threads(CLOUD_THREADS, self.fetch)
        redact.hide(fetched.credentials.password, fetched.credentials.username)
        redact.hide(fetched.credentials.identity_token, fetched.credentials.username)
        _kept[self] = (fetched.credentials, time.monotonic() + fetched.seconds * (1 - MARGIN))
        return fetched.credentials

    @abstractmethod
    def fetch(self) -> Fetched:
        """Raises: RegistryError of kind ``auth``."""
