"""Which relays work here now?"""

from __future__ import annotations

import logging

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.config.models import Config
from dregsy_queue.logs import log_fields
from dregsy_queue.settings import Settings
from workers.event_loop import EventLoopThread
from workers.relays.available import make_relays
from workers.relays.relay import Relay, RelayError

log = logging.getLogger(__name__)

#: Seconds after which a missing relay is looked for again.
PROBE = 30.0


class RelayHealth:
    """The relays that the config uses, and which of them work on this machine; thread-safe."""

    def __init__(self, config: Config, settings: Settings, loop: EventLoopThread, clock: Clock = SYSTEM) -> None:
        """Find out which relays work."""
        self._alone, self._daemon_wait = settings.alone, settings.daemon_wait
        self._loop, self._settings, self._clock = loop, settings, clock
        self._relays = make_relays(config, settings)
        self._working: set[str] = set()
        #: those of earlier configs
        self._former: set[str] = set()
        self._waited_for: set[str] = set()
        self._started = self._clock.monotonic()
        self._next_probe = 0.0
        self.probe()

    def make_anew(self, config: Config) -> None:
        """Make the relays of another config; copies under way go on by the old ones."""
        relays = make_relays(config, self._settings)
        self._working &= set(relays)
        self._former |= set(self._relays)
        self._relays = relays
        self.probe()

    def relay(self, name: str) -> Relay:
        """Raises: RelayError, when the config of now does not use it."""
        found = self._relays.get(name)
        if found is None:
            raise RelayError(f"the config of this worker does not use the relay '{name}'", kind="missing")
        return found

    @property
    def offered(self) -> list[str]:
        """Relays whose jobs this worker takes: those that work; on a worker that is alone all of them, and those that
        the config has used before, so that their jobs end instead of waiting for nobody."""
        return sorted({*self._relays, *self._former} if self._alone else self._working)

    def probe_if_due(self) -> None:
        if self._clock.monotonic() >= self._next_probe:
            self.probe()

    def probe(self) -> None:
        """See which relays work now; blocks while their programs and daemons answer."""
        for name, relay in self._relays.items():
            problem = self._loop.run(relay.problem())
            if problem is None and name not in self._working:
                self._working.add(name)
                log.info("relay works", extra=log_fields(relay=name))
            elif problem is not None:
                self._working.discard(name)
                if not self._alone:
                    log.error("this worker takes no %s jobs: %s", name, problem, extra=log_fields(relay=name))
        missing = len(self._working) < len(self._relays)
        self._next_probe = self._clock.monotonic() + PROBE if missing else float("inf")

    def heard(self, name: str, error: RelayError) -> None:
        """A copy failed. A relay that turned out not to work is offered no more until a probe finds it again; a worker
        that is alone goes on to offer it, so that jobs wait for it or fail."""
        if error.kind not in ("missing", "away"):
            return
        if not self._alone:
            log.error("this worker takes no %s jobs any more: %s", name, error, extra=log_fields(relay=name))
            self._working.discard(name)
            self._next_probe = self._clock.monotonic() + PROBE
        elif error.kind == "away" and self.may_still_come():
            self._log_wait_once(name, str(error))

    def may_still_come(self) -> bool:
        """Whether a worker that is alone goes on waiting for a relay that may start working by itself, as a Docker
        daemon does."""
        return self._started + self._daemon_wait > self._clock.monotonic()

    def _log_wait_once(self, name: str, why: str) -> None:
        if name not in self._waited_for:
            self._waited_for.add(name)
            left = self._started + self._daemon_wait - self._clock.monotonic()
            log.warning("waiting up to %.0f s: %s", left, why, extra=log_fields(relay=name))
