"""Which registries does a worker talk to under the config of now? Sessions, tokens and logins live as long as it."""

from __future__ import annotations

import threading

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.config.current import CurrentConfig, Snapshot
from dregsy_queue.registry.head_memory import HeadMemory
from dregsy_queue.registry.throttle import Pacer
from workers.event_loop import EventLoopThread

#: Seconds for which the sessions of a replaced config stay open, for jobs that got them and have not begun yet.
_HANDED_OUT = 30.0


class CurrentAccess:
    """Thread-safe. What an older config made is closed when the last job that may use it has ended."""

    def __init__(
        self,
        config: CurrentConfig,
        pacer: Pacer,
        loop: EventLoopThread,
        memory: HeadMemory,
        clock: Clock = SYSTEM,
    ) -> None:
        self._clock = clock
        self._config, self._pacer, self._loop, self._memory = config, pacer, loop, memory
        self._lock = threading.Lock()
        self._now: tuple[Snapshot, RegistryAccess] | None = None
        #: replaced ones: the jobs that may use each, and until when a job may still begin with it
        self._old: list[tuple[RegistryAccess, frozenset[str], float]] = []

    def get(self) -> RegistryAccess:
        snapshot = self._config.snapshot
        with self._lock:
            if self._now is None or self._now[0] is not snapshot:
                if self._now:
                    until = self._clock.monotonic() + _HANDED_OUT
                    self._old.append((self._now[1], frozenset(self._loop.names()), until))
                self._now = (snapshot, RegistryAccess(snapshot.loaded.config, self._pacer, self._memory))
            return self._now[1]

    def close_old(self) -> None:
        """Close what nobody can use any more; to be called now and then."""
        running, now = self._loop.names(), self._clock.monotonic()
        with self._lock:
            over = [old for old in self._old if now >= old[2] and not old[1] & running]
            self._old = [old for old in self._old if old not in over]
        for access, _, _ in over:
            self._loop.run(access.aclose())

    def close(self) -> None:
        """Close everything; no job may be running any more."""
        with self._lock:
            everything = [access for access, _, _ in self._old] + ([self._now[1]] if self._now else [])
            self._old, self._now = [], None
        for access in everything:
            self._loop.run(access.aclose())
