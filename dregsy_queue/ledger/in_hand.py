"""What this process has in hand: the jobs that it claims or runs, and outcomes that Redis has not taken yet."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from redis import RedisError

from dregsy_queue.ledger.outages import passes
from dregsy_queue.logs import log_fields

log = logging.getLogger(__name__)

#: Tries for an outcome that Redis refuses with an error that will not pass by itself.
_TRIES = 5


@dataclass
class _Outcome:
    job: str
    epoch: int
    write: Callable[[], bool]
    tries: int = 0


class InHand:
    """Thread-safe. A job is in hand from before its claim until its outcome is in Redis, so a heartbeat names every
    job that the ledger rightly holds for this worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: set[tuple[str, int]] = set()
        self._outcomes: list[_Outcome] = []

    def jobs(self) -> set[tuple[str, int]]:
        """Ids and epochs."""
        with self._lock:
            return set(self._jobs)

    @property
    def unwritten(self) -> int:
        """Outcomes that wait for Redis."""
        return len(self._outcomes)

    def take(self, job: str, epoch: int) -> bool:
        """False when it is in hand already: a doubled message."""
        with self._lock:
            if (job, epoch) in self._jobs:
                return False
            self._jobs.add((job, epoch))
            return True

    def drop(self, job: str, epoch: int) -> None:
        """This worker no longer works on it. If an outcome is still to be written, the job stays in hand until then."""
        with self._lock:
            if not any((kept.job, kept.epoch) == (job, epoch) for kept in self._outcomes):
                self._jobs.discard((job, epoch))

    def write(self, job: str, epoch: int, write: Callable[[], bool]) -> bool:
        """Write an outcome, now or as soon as Redis takes it; false when the job was lost to another worker."""
        try:
            held = write()
        except (RedisError, OSError) as error:
            with self._lock:
                self._outcomes.append(_Outcome(job, epoch, write))
            log.warning("an outcome is kept until Redis takes it: %s", error, extra=log_fields(job=job))
            return True
        with self._lock:
            self._jobs.discard((job, epoch))
        return held

    def write_kept(self) -> None:
        """Write what waits, oldest first. Raises: redis.RedisError or OSError when Redis does not take it yet."""
        with self._lock:
            waiting = list(self._outcomes)
        for outcome in waiting:
            try:
                outcome.write()
            except (RedisError, OSError) as error:
                if passes(error):
                    raise
                outcome.tries += 1
                if outcome.tries < _TRIES:
                    continue
                log.error(
                    "an outcome could not be written: %s; its job runs again", error, extra=log_fields(job=outcome.job)
                )
            with self._lock:
                self._outcomes.remove(outcome)
                self._jobs.discard((outcome.job, outcome.epoch))
