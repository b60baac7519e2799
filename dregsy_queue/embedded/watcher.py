"""What one-command mode's displays show, read from the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.embedded.progress import Progress
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.overview import Overview
from dregsy_queue.ledger.report import RunCounts, RunningJob, RunReader
from dregsy_queue.ledger.roles import Roles
from dregsy_queue.ledger.waiting import Waiting, WaitingReader

#: Seconds for which what is read seldom counts: what waits, bytes, what runs next, and mostly what runs.
SELDOM = 1.0


class Watcher:
    def __init__(self, connection: Connection, tasks: Sequence[str], *, live: bool, clock: Clock = SYSTEM) -> None:
        """`live`: transfers are shown as they run, so they are read at each look."""
        self._tasks, self._live = tasks, live
        self._reader, self._overview = RunReader(connection), Overview(connection)
        self._waiting_reader, self._roles = WaitingReader(connection), Roles(connection)
        self._clock, self._read_at = clock, float("-inf")
        self._waiting: Sequence[Waiting] = []
        self._running: Sequence[RunningJob] = []
        self._sent = 0
        self._following: tuple[str, float] | None = None
        self._told: set[str] = set()

    def look(self) -> Progress:
        """The runs of now; the rest may be a second old."""
        seldom = self._clock.monotonic() - self._read_at >= SELDOM
        if seldom:
            self._read_seldom()
            self._read_at = self._clock.monotonic()
        runs = [counts for name in self._tasks if (counts := self._reader.newest(name)) is not None]
        if self._live or seldom:
            self._running = self._reader.running_transfers()
        return Progress(runs, self._running, self._waiting, self._sent, self._following)

    def ended(self, progress: Progress) -> Iterator[RunCounts]:
        """Runs that have ended, each once."""
        for run in progress.runs:
            if run.done and run.run not in self._told:
                self._told.add(run.run)
                yield run

    def _read_seldom(self) -> None:
        overview = self._overview
        tasks = overview.tasks()
        registries = {registry.name: registry for registry in overview.registries(tasks)}
        self._waiting = self._waiting_reader.read(tasks, registries, overview.workers(), overview.now())
        self._sent = sum(overview.transferred_bytes().values())
        coming = [(found.next_run, task) for task, found in self._roles.scheduled().items() if found.next_run]
        self._following = min(coming)[::-1] if coming else None
