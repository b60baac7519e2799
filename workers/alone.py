"""A worker of one-command mode: without Celery, because what it admits it runs itself.

A message would only carry a job's id from this process, through Redis, back to it. All else is as in a cluster: the
ledger, claims and leases, the relays, what happens every second, and how it ends.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from dregsy_queue import settings
from dregsy_queue.concurrency import Threads
from dregsy_queue.config.load import ConfigError
from dregsy_queue.ledger.admission import Admission, Admitted
from dregsy_queue.logs import log_fields
from workers.jobs.run import run
from workers.worker import Worker

log = logging.getLogger(__name__)


class Alone:
    """Its slots are threads, as Celery's are in a cluster."""

    def __init__(self, chosen: settings.Settings, name: str, slots: int) -> None:
        """Raises: ConfigError."""
        self._threads = Threads(slots, "slot")
        self._lock = threading.Lock()
        self._free = slots
        self._worker = Worker(chosen, name, slots, self._take)

    def start(self) -> None:
        self._threads.begin()
        self._worker.start()

    def end(self) -> None:
        """Put back what runs, and sign off; returns when that is done, or seems to take too long."""
        with self._lock:
            self._free = 0
        self._worker.drain()
        self._threads.shutdown(cancel_futures=True)
        self._worker.stop()

    def _take(self, admission: Admission) -> None:
        """Run what may run now, as far as there are free slots here; other workers look for the rest. Raises: as
        `Admission.admit`."""
        with self._lock:
            admitted = admission.admit(self._free) if self._free > 0 else []
            self._free -= len(admitted)
            for job in admitted:
                self._threads.submit(self._run, job)

    def _run(self, job: Admitted) -> None:
        try:
            run(self._worker, job.job, job.epoch)
        except Exception:
            log.exception("unexpected error in a job", extra=log_fields(job=job.job))
        finally:
            with self._lock:
                self._free += 1
            self._worker.services.dispatch()


def main(name: str, slots: int) -> int:
    """Run until SIGTERM, with so many jobs at once; returns the exit code."""
    try:
        alone = Alone(settings.from_environment(), name, slots)
    except (settings.SettingsError, ConfigError) as error:
        sys.exit(str(error))
    here, there = os.pipe()
    # Python writes to it by itself. A handler of ours would run when this thread next does something, which is never
    # where the signal comes just before it waits below.
    os.set_blocking(there, False)
    signal.set_wakeup_fd(there)
    signal.signal(signal.SIGTERM, lambda *_: None)
    alone.start()
    os.read(here, 1)
    alone.end()
    return 0
