"""A worker process: what all its slots share, and how it lives and ends with Celery's signals."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence

from redis import RedisError

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.celery import app
from dregsy_queue.config.current import CurrentConfig
from dregsy_queue.config.registries import limits_for
from dregsy_queue.dispatch import dispatch
from dregsy_queue.ledger.admission import Admission, Reaped
from dregsy_queue.ledger.claims import Claims
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.presence import HEARTBEAT, Presence
from dregsy_queue.ledger.records import Records
from dregsy_queue.ledger.registry_limits import Probe, RegistryLimiter
from dregsy_queue.ledger.repository_lists import RepositoryLists
from dregsy_queue.ledger.runs import Runs
from dregsy_queue.logs import fields
from dregsy_queue.oci.reference import Reference
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.settings import Settings
from workers.event_loop import EventLoopThread
from workers.relays.available import make_relays
from workers.relays.relay import Relay
from workers.throttle import ClusterPacer

log = logging.getLogger(__name__)

#: Seconds between two looks at what may run; jobs that end look at once.
TICK = 1.0
#: Seconds after which a missing relay is looked for again.
PROBE = 30.0


class Worker:
    """Shared by all slots; thread-safe."""

    def __init__(self, settings: Settings, nodename: str, slots: int) -> None:
        """Read the config and find out which relays work here. Raises: ConfigError."""
        self.settings = settings
        # A worker that comes back under its old name is another one: its leases are its own.
        self.name = f"{nodename}#{secrets.token_hex(4)}"
        self.slots = slots
        self.config = CurrentConfig(settings.config)
        self.loop = EventLoopThread()
        redis = connect(settings.redis_url)
        self.claims, self.runs, self.records = Claims(redis), Runs(redis), Records(redis)
        self.lists = RepositoryLists(redis)
        self.admission = Admission(redis)
        self.limiter = RegistryLimiter(redis)
        self._pacer = ClusterPacer(self.limiter, self._request_rate)
        self._presence = Presence(redis)
        self._access: tuple[str, RegistryAccess] | None = None
        self._access_lock = threading.Lock()
        self._relays = make_relays(self.config.get().config, settings)
        self._working: set[str] = set()
        self._waited_for: set[str] = set()
        self._started = time.monotonic()
        self._next_probe = 0.0
        #: makes Celery take messages of these kinds and no others; set by whoever set up Celery
        self.take_messages_of: Callable[[Sequence[str]], None] = lambda _: None
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._draining = False
        self._ticker = threading.Thread(target=self._tick_until_stopped, name="coordination", daemon=True)
        self.probe_relays()

    # What slots use

    def access(self) -> RegistryAccess:
        """Registries under the config of now; sessions and tokens live as long as the config does."""
        loaded = self.config.get()
        with self._access_lock:
            if self._access is None or self._access[0] != loaded.fingerprint:
                self._access = (loaded.fingerprint, RegistryAccess(loaded.config, self._pacer))
            return self._access[1]

    def _request_rate(self, registry: str) -> tuple[int, float] | None:
        return limits_for(self.config.get().config.registries, registry).requests

    def relay(self, kind: str) -> Relay:
        return self._relays[kind]

    def relay_missing(self, kind: str) -> None:
        """A relay turned out not to work: offer it no more until a probe finds it again."""
        self._working.discard(kind)
        self._next_probe = time.monotonic() + PROBE

    def waits_for(self, kind: str, why: str) -> bool:
        """Whether a worker that is alone goes on waiting for a relay that may come by itself, as a daemon does."""
        left = self._started + self.settings.daemon_wait - time.monotonic()
        if left > 0 and kind not in self._waited_for:
            self._waited_for.add(kind)
            log.warning("waiting up to %.0f s: %s", left, why, extra=fields(relay=kind))
        return left > 0

    def dispatch(self) -> None:
        """Look at once for what may run now; a broken connection is the ticker's business."""
        try:
            dispatch(app, self.admission)
        except (RedisError, OSError):
            self._wake.set()

    # What Celery's signals call

    @property
    def kinds(self) -> list[str]:
        """Kinds of jobs that this worker takes."""
        relays = self._relays if self.settings.alone else self._working
        return ["plan", *sorted(relays)]

    def probe_relays(self) -> None:
        for kind, relay in self._relays.items():
            problem = self.loop.run(relay.problem())
            if problem is None and kind not in self._working:
                self._working.add(kind)
                log.info("relay works", extra=fields(relay=kind))
            elif problem is not None:
                self._working.discard(kind)
                if not self.settings.alone:
                    log.error("this worker takes no %s jobs: %s", kind, problem, extra=fields(relay=kind))
        missing = len(self._working) < len(self._relays)
        self._next_probe = time.monotonic() + PROBE if missing else float("inf")

    def start(self) -> None:
        self._ticker.start()

    def drain(self) -> None:
        """Take no more jobs; after the grace time put the running ones back."""
        self._draining = True
        self._wake.set()
        timer = threading.Timer(self.settings.grace, self._cancel_all)
        timer.daemon = True
        timer.start()

    def stop(self) -> None:
        """The last job has ended: say goodbye."""
        self._stop.set()
        self._wake.set()
        if self._ticker.is_alive():
            self._ticker.join(timeout=10)
        try:
            self.admission.leave(self.name)
        except (RedisError, OSError) as error:
            log.warning("could not sign off: %s; the lease ends by itself", error)
        if self._access is not None:
            self.loop.run(self._access[1].aclose())
        self.loop.close()

    def _cancel_all(self) -> None:
        running = self.loop.names()
        if running:
            log.info("grace time is over: %d jobs go back to the queue", len(running))
        self.loop.cancel_all()

    def _tick_until_stopped(self) -> None:
        reachable, next_heartbeat, was_draining, taken = True, 0.0, False, self.kinds
        while not self._stop.is_set():
            try:
                now = time.monotonic()
                if now >= next_heartbeat or self._draining != was_draining:
                    self._heartbeat()
                    next_heartbeat, was_draining = now + HEARTBEAT, self._draining
                if now >= self._next_probe:
                    self.probe_relays()
                if taken != self.kinds:
                    taken = self.kinds
                    self.take_messages_of(taken)
                    self._heartbeat()
                self._log_reaped(self.admission.reap())
                self._pacer.remember_pauses(self.limiter.pauses())
                for probe in self.limiter.probes():
                    self._probe_quota(probe)
                dispatch(app, self.admission)
                if not reachable:
                    log.info("Redis answers again")
                reachable = True
            except Exception as error:
                # Redis away is an ordinary day; whatever else it is, the next tick must come.
                if reachable or not isinstance(error, RedisError | OSError):
                    log.warning("coordination waits: %s", error, exc_info=not isinstance(error, RedisError | OSError))
                reachable, next_heartbeat = False, 0.0
            self._wake.wait(TICK)
            self._wake.clear()

    def _probe_quota(self, probe: Probe) -> None:
        """Ask for what no quota counts; the answer's headers say what is left."""
        task = self.config.task(probe.task)
        if task is None:
            return
        reference = Reference.parse(probe.source)
        client = self.access().client(task.source)
        try:
            self.loop.run(client.head(reference.repository, reference.tag or reference.digest or ""))
        except RegistryError as error:
            log.debug("could not ask what is left of the quota: %s", error)

    def _heartbeat(self) -> None:
        running = self.loop.names()
        held = self._presence.heartbeat(self.name, slots=self.slots, kinds=self.kinds, draining=self._draining)
        # A job that ended in between is not held any more either, and all is well with it.
        for job in (running - held) & self.loop.names():
            log.warning("this worker was taken for dead, its job runs elsewhere", extra=fields(job=job))
            self.loop.cancel(job)

    def _log_reaped(self, reaped: Reaped) -> None:
        for worker in reaped.workers:
            log.warning("worker is gone, its jobs go back to the queue", extra=fields(worker=worker))
        for job in reaped.given_up:
            log.error("job given up: it outlived several workers", extra=fields(job=job))
        if reaped.unclaimed:
            log.warning("%d messages reached no worker in time and are sent anew", len(reaped.unclaimed))
