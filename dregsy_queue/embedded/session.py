"""One call of `dregsy sync`: from config file to exit code."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from dregsy_queue import settings
from dregsy_queue.config.load import LoadedConfig
from dregsy_queue.config.models import SyncTask
from dregsy_queue.embedded.children import Child, ChildError, celery_command, start_redis, worker_command
from dregsy_queue.embedded.private_folder import private_folder
from dregsy_queue.embedded.progress import Display, LineDisplay, LiveDisplay
from dregsy_queue.embedded.summary import print_summary
from dregsy_queue.embedded.watcher import Watcher
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.report import RunReader, report
from dregsy_queue.scheduling.starter import RunStarter

log = logging.getLogger(__name__)

#: Seconds between two looks at the ledger.
POLL = 0.2
#: Seconds that children get to put their work away.
ENDING = 10.0
#: A worker that ends by itself within so many seconds of its start is not started again.
TOO_SOON = 10.0


@dataclass(frozen=True)
class Request:
    """What one call shall do; the config has been read and found good."""

    loaded: LoadedConfig
    tasks: Sequence[SyncTask]
    #: the ``-run`` filter as given
    run: str
    #: every task once, periodic ones too
    once: bool
    #: worker processes
    workers: int
    #: where the outcome goes, as JSON; ``-`` is standard output
    report: Path | None


def run(request: Request) -> int:
    """Sync; returns the exit code: 0, 1 when something failed, 128 + signal number after SIGINT or SIGTERM."""
    with private_folder() as folder, _signals() as received:
        try:
            session = _Session(request, folder, received)
            return session.run()
        except ChildError as error:
            log.error("%s", error)
            return 1


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """Signals that asked this process to end, as they come."""
    received: list[int] = []

    def note(number: int, _: Any) -> None:  # noqa: ANN401
        received.append(number)

    previous = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    # for the scheduler, if there is one: `_Session` passes the signal on
    previous[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Session:
    def __init__(self, request: Request, folder: Path, received: list[int]) -> None:
        self._request = request
        self._received = received
        self._names = [task.name for task in request.tasks]
        self._console = Console(stderr=True)
        self._live = self._console.is_terminal
        self._folder = folder
        self._children: list[Child] = []
        self._redis_url = ""

    def run(self) -> int:
        periodic = not self._request.once and any(task.interval for task in self._request.tasks)
        redis, self._redis_url = start_redis(self._folder)
        reader = RunReader(connect(self._redis_url))
        try:
            for number in range(1, self._request.workers + 1):
                self._children.append(self._start_worker(number))
            if periodic:
                self._children.append(self._start("scheduler", celery_command("beat")))
                signal.signal(signal.SIGHUP, self._hand_on_hangup)
            else:
                self._start_runs()
            with self._display() as display:
                self._follow(Watcher(connect(self._redis_url), self._names), display, periodic=periodic)
            self._end_children()
            return self._finish(reader)
        finally:
            self._end_children()
            redis.end(ENDING)

    def _follow(self, watcher: Watcher, display: Display, *, periodic: bool) -> None:
        """Until every run has ended (periodic tasks: for ever), or a signal came."""
        while not self._received:
            self._restart_ended()
            progress = watcher.look()
            display.show(progress)
            for run in watcher.ended(progress):
                display.ended(run)
            if not periodic and len(progress.runs) == len(self._names) and progress.idle:
                return
            time.sleep(POLL)

    def _finish(self, reader: RunReader) -> int:
        to_stdout = self._request.report == Path("-")
        # The report has standard output for itself.
        summary = Console(file=sys.stderr if to_stdout else sys.stdout)
        print_summary(summary, reader, self._names, interrupted=bool(self._received))
        if self._request.report:
            text = json.dumps(report(reader, self._names), indent=2, ensure_ascii=False) + "\n"
            try:
                if to_stdout:
                    sys.stdout.write(text)
                    sys.stdout.flush()
                else:
                    self._request.report.write_text(text)
            except OSError as error:
                log.error("the report cannot be written to %s: %s", self._request.report, error.strerror)
                return 1
        if self._received:
            return 128 + self._received[0]
        newest = (reader.newest(name) for name in self._names)
        return 1 if any(run.failed for run in newest if run) else 0

    def _start_runs(self) -> None:
        # No Celery here: the worker looks for what may run as soon as it is up.
        starter = RunStarter(None, settings.from_environment({**os.environ, "DREGSY_REDIS_URL": self._redis_url}))
        for task in self._request.tasks:
            starter.start(task, self._request.loaded.config)

    def _start_worker(self, number: int) -> Child:
        return self._start(f"worker {number}", worker_command(f"worker{number}@embedded"))

    def _start(self, name: str, command: list[str]) -> Child:
        child = Child(name, command, self._environment(), stderr=subprocess.PIPE if self._live else None)
        if self._live:
            # Lines of children appear above the live display instead of tearing it.
            threading.Thread(target=self._print_lines, args=(child,), daemon=True).start()
        return child

    def _print_lines(self, child: Child) -> None:
        assert child.process.stderr is not None
        for line in child.process.stderr:
            text = line.decode(errors="replace").rstrip("\n")
            self._console.out(text, highlight=False)

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        environment.update(
            DREGSY_CONFIG=str(self._request.loaded.path.absolute()),
            DREGSY_REDIS_URL=self._redis_url,
            DREGSY_RUN=self._request.run,
            DREGSY_ALONE="1",
            DREGSY_GRACE="0",
            TMPDIR=str(self._folder),
        )
        if self._live:
            environment.setdefault("LOG_FORMAT", "text")
            environment.setdefault("LOG_FORCE_COLORS", "1")
            # The display shows what goes well; lines are for what does not.
            if not any(task.verbose for task in self._request.tasks):
                environment.setdefault("LOG_LEVEL", "warn")
        return environment

    def _restart_ended(self) -> None:
        for place, child in enumerate(self._children):
            code = child.process.poll()
            if code is None:
                continue
            if time.monotonic() - child.started < TOO_SOON:
                raise ChildError(f"the {child.name} ended right after its start (exit code {code})")
            log.warning("the %s ended (exit code %d) and is started again", child.name, code)
            self._children[place] = (
                self._start("scheduler", celery_command("beat"))
                if child.name == "scheduler"
                else self._start_worker(place + 1)
            )

    def _end_children(self) -> None:
        # After a signal jobs still run, and SIGTERM lets workers put them back. After the last run nothing runs.
        number = signal.SIGTERM if self._received else signal.SIGKILL
        for child in self._children:
            if child.process.poll() is None:
                child.process.send_signal(number)
        for child in self._children:
            child.end(ENDING)
        self._children = []

    def _hand_on_hangup(self, *_: object) -> None:
        for child in self._children:
            if child.name == "scheduler":
                child.process.send_signal(signal.SIGHUP)

    def _display(self) -> Display:
        return LiveDisplay(self._console) if self._live else LineDisplay()
