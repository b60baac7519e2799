"""What does a worker look after besides its jobs? The config's changes, its relays, and what is left of quotas.

All of it may wait for programs, daemons and registries, so it has a thread of its own: heartbeats never wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading

from redis import RedisError

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.config.current import LOOK
from dregsy_queue.ledger.quotas import Probe
from dregsy_queue.ledger.roles import RENEW
from dregsy_queue.logs import log_fields
from dregsy_queue.oci.reference import Reference
from dregsy_queue.registry.errors import RegistryError
from workers.relay_health import RelayHealth
from workers.services import Services

log = logging.getLogger(__name__)

#: Seconds that a registry gets to say what is left of a quota.
_ANSWER = 30.0


class Upkeep:
    """A thread that looks after one worker's surroundings every `LOOK` seconds."""

    def __init__(self, services: Services, relays: RelayHealth, name: str, clock: Clock = SYSTEM) -> None:
        self._services, self._relays, self._name, self._clock = services, relays, name, clock
        self._made_of = services.config.snapshot
        self._next_mark = 0.0
        self._waits = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended, at most a few seconds later."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=LOOK + 1)

    def _run(self) -> None:
        while not self._stopped.wait(LOOK):
            try:
                self.look()
                self._waits = False
            except (RedisError, OSError) as error:
                if not self._waits:
                    log.debug("upkeep waits: %s", error)
                self._waits = True
            except Exception:
                log.exception("unexpected error in upkeep")

    def look(self) -> None:
        """One look at everything. Raises: redis.RedisError or OSError."""
        self._services.config.look()
        self._follow_config()
        self._relays.probe_if_due()
        self._services.registries.close_old()
        self._say_that_it_lives()
        for probe in self._services.quotas.probes():
            self._probe_quota(probe)

    def _follow_config(self) -> None:
        """Make the relays again when the config was replaced, by whichever thread."""
        snapshot = self._services.config.snapshot
        if snapshot is not self._made_of:
            self._relays.make_anew(snapshot.loaded.config)
            self._made_of = snapshot
            self._next_mark = 0.0
            self._services.wake.set()

    def _say_that_it_lives(self) -> None:
        now = self._clock.monotonic()
        if now >= self._next_mark:
            config = self._services.config
            self._services.roles.renew("worker", self._name, config_hash=config.digest, config_error=config.error)
            self._next_mark = now + RENEW

    def _probe_quota(self, probe: Probe) -> None:
        """Send a HEAD, which costs no quota; its headers tell what is left. Nobody waits for it."""
        task = self._services.config.task(probe.task)
        if task is None:
            return
        reference = Reference.parse_full(probe.source)

        async def ask() -> None:
            try:
                client = self._services.access().client(task.source)
                await asyncio.wait_for(client.head(reference.repository, reference.short), _ANSWER)
            except (RegistryError, TimeoutError) as error:
                text = "it does not answer" if isinstance(error, TimeoutError) else str(error)
                log.debug(
                    "could not ask what is left of the quota: %s", text, extra=log_fields(registry=reference.registry)
                )

        self._services.loop.spawn(ask())
