"""From which repositories may a login not mount? Remembered for a while, so that nobody asks again and again."""

from __future__ import annotations

import weakref

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.registry.blobs import Blobs

#: Seconds for which a refusal counts.
BARRED = 600.0


class Barred:
    """By login: a registry decides for each what it may read. To be used on one event loop."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        #: registry as one login sees it → repository → until when
        self._until = weakref.WeakKeyDictionary[Blobs, dict[str, float]]()

    def bar(self, blobs: Blobs, repository: str) -> None:
        now, barred = self._clock.monotonic(), self._until.setdefault(blobs, {})
        for name in [name for name, until in barred.items() if until <= now]:
            del barred[name]
        barred[repository] = now + BARRED

    def is_barred(self, blobs: Blobs, repository: str) -> bool:
        return self._clock.monotonic() < self._until.get(blobs, {}).get(repository, 0.0)
