"""How does a worker start, drain and end?"""

from __future__ import annotations

import logging
import secrets
import threading

from redis import RedisError

from dregsy_queue.settings import Settings
from workers.coordinator import Coordinator
from workers.relay_health import RelayHealth
from workers.services import Services

log = logging.getLogger(__name__)


class Worker:
    """One worker process, from Celery's first signal to its last."""

    def __init__(self, settings: Settings, nodename: str, slots: int) -> None:
        """Read the config and find out which relays work here. Raises: ConfigError."""
        self.settings = settings
        # A worker that comes back under its old name is another one: its leases are its own.
        self.name = f"{nodename}#{secrets.token_hex(4)}"
        self.services = Services(settings)
        self.relays = RelayHealth(self.services.config.get().config, settings, self.services.loop)
        self.coordinator = Coordinator(self.services, self.relays, self.name, slots)

    def start(self) -> None:
        self.coordinator.start()

    def drain(self) -> None:
        """Take no more jobs; after the grace time put the running ones back."""
        self.coordinator.drain()
        timer = threading.Timer(self.settings.grace, self._cancel_all)
        timer.daemon = True
        timer.start()

    def stop(self) -> None:
        """The last job has ended: sign off."""
        self.coordinator.stop()
        try:
            self.services.admission.leave(self.name)
        except (RedisError, OSError) as error:
            log.warning("could not sign off: %s; the lease ends by itself", error)
        self.services.close()

    def _cancel_all(self) -> None:
        running = self.services.loop.names()
        if running:
            log.info("grace time is over: %d jobs go back to the queue", len(running))
        self.services.loop.cancel_all()
