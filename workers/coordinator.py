"""What happens every second? Heartbeats, putting back what nobody works on, and sending what may run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from redis import RedisError

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.kinds import PLANNING
from dregsy_queue.ledger.admission import Reaped
from dregsy_queue.ledger.claims import claim_name
from dregsy_queue.ledger.outages import plainly
from dregsy_queue.ledger.presence import HEARTBEAT
from dregsy_queue.ledger.redis_check import examine
from dregsy_queue.logs import log_fields
from workers.relay_health import RelayHealth
from workers.services import Services

log = logging.getLogger(__name__)

#: Seconds between two looks at what may run; jobs that end look at once.
TICK = 1.0
#: Seconds in each tick for long work in slices: forgetting runs, cancelling many jobs.
LONG_WORK = 0.25


class Coordinator:
    """A thread that keeps one worker and the ledger in agreement."""

    def __init__(self, services: Services, relays: RelayHealth, name: str, slots: int, clock: Clock = SYSTEM) -> None:
        """`name` is this worker's in the ledger, `slots` how many jobs it runs at once."""
        self._services = services
        self._relays, self._clock = relays, clock
        self._name, self._slots = name, slots
        # A display that one person looks at is as fresh as its heartbeats.
        self._every = TICK if services.settings.alone else HEARTBEAT
        #: makes Celery take messages of these kinds and no others; set by `celery_side.handlers`
        self.take_messages_of: Callable[[Sequence[str]], None] = lambda _: None
        self._draining = self._said_draining = False
        self._reachable, self._next_heartbeat, self._examined = True, 0.0, False
        self._taken = self.kinds
        self._told: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="coordinator", daemon=True)

    @property
    def kinds(self) -> list[str]:
        """Kinds of jobs that this worker takes."""
        return [*PLANNING, *self._relays.offered]

    def start(self) -> None:
        self._thread.start()

    def drain(self) -> None:
        """From now on the ledger gives this worker no more jobs."""
        self._draining = True
        self._services.wake.set()

    def stop(self) -> None:
        """End the thread; returns when it has ended, at most 10 s later."""
        self._stopped.set()
        self._services.wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.tick()
            self._services.wake.wait(TICK)
            self._services.wake.clear()

    def tick(self) -> None:
        """One look at everything. An outage of Redis is logged once; after any other error the next look comes, too."""
        try:
            self._beat_if_due()
            self._work()
        except Exception as error:
            expected = isinstance(error, RedisError | OSError)
            if self._reachable or not expected:
                log.warning("coordination waits: %s", plainly(error), exc_info=not expected)
            self._reachable, self._next_heartbeat, self._examined = False, 0.0, False
        else:
            if not self._reachable:
                log.info("Redis answers again")
            self._reachable = True

    def _beat_if_due(self) -> None:
        now, draining, kinds = self._clock.monotonic(), self._draining, self.kinds
        if now >= self._next_heartbeat or draining != self._said_draining:
            self.heartbeat()
            self._next_heartbeat, self._said_draining = now + self._every, draining
        if not self._examined:
            self._examine()
            self._examined = True
        if kinds != self._taken:
            self._taken = kinds
            self.take_messages_of(kinds)
            self.heartbeat()

    def _work(self) -> None:
        self._services.in_hand.write_kept()
        self._reap()
        self._services.pacer.remember_pauses(self._services.limiter.pauses())
        self._services.desk.work()
        self._services.send()

    def _examine(self) -> None:
        """Say what is wrong with this Redis: at the start, and when it was away (it may be another one then)."""
        tasks = [task.name for task in self._services.config.get().config.tasks]
        for finding in examine(self._services.redis, tasks):
            if finding not in self._told:
                log.error("%s", finding)
            self._told.add(finding)

    def heartbeat(self) -> None:
        """Renew this worker's lease, say what it has in hand, and end what the ledger does not hold for it."""
        loop = self._services.loop
        running = loop.names()
        heard = self._services.presence.heartbeat(
            self._name,
            slots=self._slots,
            kinds=self.kinds,
            draining=self._draining,
            in_hand=self._services.in_hand.jobs(),
            moved=self._services.meters.read(),
        )
        for job, epoch in heard.lost:
            name = claim_name(job, epoch)
            # Jobs that ended meanwhile are not held any more, which is fine; those that began meanwhile were claimed
            # after the ledger looked.
            if name in running and name in loop.names():
                log.warning("ended: the job was cancelled, or runs elsewhere by now", extra=log_fields(job=job))
                loop.cancel(name)
        if heard.put_back:
            log.warning("%d jobs were held for this worker and nobody ran them: they wait again", len(heard.put_back))

    def _reap(self) -> None:
        """Put back what nobody works on; while there is long work, for a moment."""
        deadline = self._clock.monotonic() + LONG_WORK
        while True:
            reaped = self._services.admission.reap()
            self._log_reaped(reaped)
            if not reaped.more or self._clock.monotonic() > deadline:
                return

    def _log_reaped(self, reaped: Reaped) -> None:
        for worker in reaped.workers:
            log.warning("worker is gone, its jobs go back to the queue", extra=log_fields(worker=worker))
        for job in reaped.given_up:
            log.error("job given up: several workers died while they ran it", extra=log_fields(job=job))
        if reaped.unclaimed:
            log.warning("%d messages reached no worker in time and are sent again", len(reaped.unclaimed))
        if reaped.repairs:
            log.error(
                "the ledger was repaired; does Redis evict keys, or did it lose data? %s%s",
                reaped.repairs[0],
                f", and {len(reaped.repairs) - 1} more" if len(reaped.repairs) > 1 else "",
            )
