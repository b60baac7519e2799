"""How does a worker start, drain and end?"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Callable

from redis import RedisError

from dregsy_queue.ledger.admission import Admission
from dregsy_queue.logs import log_fields
from dregsy_queue.settings import Settings
from workers.coordinator import Coordinator
from workers.relay_health import RelayHealth
from workers.services import Services
from workers.upkeep import Upkeep

log = logging.getLogger(__name__)


#: Seconds that putting jobs back and signing off may take after the grace time, whatever Redis does.
ENDING = 8.0


class Worker:
    """One worker process, from start to end."""

    def __init__(self, settings: Settings, nodename: str, slots: int, send: Callable[[Admission], object]) -> None:
        """Read the config and find out which relays work here. `send`: see `Services`. Raises: ConfigError."""
        self.settings = settings
        # A restarted worker has a new name, so it never holds the leases of the one before.
        self.node, self._slots = nodename, slots
        self.name = f"{nodename}#{secrets.token_hex(4)}"
        self.services = Services(settings, send)
        self.relays = RelayHealth(self.services.config.get().config, settings, self.services.loop)
        self.coordinator = Coordinator(self.services, self.relays, self.name, slots)
        self._draining = False
        self.upkeep = Upkeep(self.services, self.relays, self.name)

    def start(self) -> None:
        self.coordinator.start()
        self.upkeep.start()
        kinds = ", ".join(self.coordinator.kinds)
        log.info("this worker is ready: %d slots, takes %s", self._slots, kinds, extra=log_fields(worker=self.node))

    def drain(self) -> None:
        """Take no more jobs; after the grace time put the running ones back."""
        if self._draining:
            return
        self._draining = True
        self.coordinator.drain()
        for seconds, end in ((self.settings.grace, self._cancel_all), (self.settings.grace + ENDING, self._give_up)):
            timer = threading.Timer(seconds, end)
            timer.daemon = True
            timer.start()

    def stop(self) -> None:
        """The last job has ended: sign off."""
        self.coordinator.stop()
        self.upkeep.stop()
        try:
            self.services.admission.leave(self.name)
            self.services.roles.leave("worker", self.name)
        except (RedisError, OSError) as error:
            log.warning("could not sign off: %s; the lease ends by itself", error)
        self.services.close()

    def _cancel_all(self) -> None:
        running = self.services.loop.names()
        if running:
            log.info("grace time is over: %d jobs go back to the queue", len(running))
        self.services.loop.cancel_all()

    def _give_up(self) -> None:
        """Something hangs, most likely a call to Redis: end all the same, the leases expire."""
        log.warning("the worker ends without signing off: Redis did not take what is left within %.0f s", ENDING)
        logging.shutdown()
        os._exit(0)
