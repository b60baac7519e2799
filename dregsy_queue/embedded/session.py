"""One call of `dregsy sync`: from config file to exit code."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis import RedisError

from dregsy_queue import settings
from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.config.load import LoadedConfig
from dregsy_queue.config.models import SyncTask
from dregsy_queue.config.selection import relay_of
from dregsy_queue.embedded import worker
from dregsy_queue.embedded.children import Child, ChildError, PrivateRedis, Program, celery_command, worker_command
from dregsy_queue.embedded.forked import Forked
from dregsy_queue.embedded.private_folder import NoFolderError, private_folder
from dregsy_queue.embedded.state import StateFile
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.records import Records
from dregsy_queue.ledger.report import RunReader, report
from dregsy_queue.logs import takes_colors
from dregsy_queue.scheduling.starter import RunStarter

if TYPE_CHECKING:
    from rich.console import Console

    from dregsy_queue.embedded.progress import Display
    from dregsy_queue.embedded.watcher import Watcher

log = logging.getLogger(__name__)

#: Seconds that workers have the processor to themselves at the start; none is ready sooner.
HEAD_START = 0.35
#: Seconds after the start at which the code of the summary is loaded: workers wait for registries then.
MEANWHILE = 0.6
_SUMMARY = "dregsy_queue.embedded.summary"
#: Seconds between two looks at the ledger: at first, and at most; in between a fortieth of the time so far.
FIRST_POLL, POLL = 0.02, 0.2
#: Jobs that a worker runs at once; without a program for each there may be more, as they wait for registries alone.
SLOTS, DIRECT_SLOTS = 16, 64
#: Seconds that children get to put their work away.
ENDING = 10.0
#: A worker that ends by itself within so many seconds of its start is not started again.
TOO_SOON = 10.0


@dataclass(frozen=True)
class SyncCall:
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
    #: where sync records stay until the next call
    state: Path | None = None


def run(call: SyncCall) -> int:
    """Sync; returns the exit code: 0, 1 when something failed, 128 + signal number after SIGINT or SIGTERM."""
    try:
        with _signals() as received, private_folder() as folder:
            return _Session(call, folder, received).run()
    except (ChildError, NoFolderError) as error:
        log.error("%s", error)
    except RedisError as error:
        log.error("the private Redis ended or does not answer: %s; is this machine out of memory?", error)
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
    def __init__(self, call: SyncCall, folder: Path, received: list[int], clock: Clock = SYSTEM) -> None:
        self._call, self._clock = call, clock
        self._received = received
        self._names = [task.name for task in call.tasks]
        direct = all(relay_of(call.loaded.config, task) == "direct" for task in call.tasks)
        self._slots = DIRECT_SLOTS if direct else SLOTS
        self._live = self._is_live()
        self._folder = folder
        self._children: list[Child] = []
        self._redis_url = ""
        self._state = StateFile(call.state) if call.state else None

    def run(self) -> int:
        periodic = not self._call.once and any(task.interval for task in self._call.tasks)
        redis = PrivateRedis(self._folder)
        self._redis_url = redis.url
        try:
            # Workers load what they need while Redis comes up, and while the rest is loaded here.
            for number in range(1, self._call.workers + 1):
                self._children.append(self._fork_worker(number))
            redis.wait()
            if self._state:
                self._state.restore(self._records, self._names)
            if periodic:
                self._children.append(self._start("scheduler", celery_command("beat")))
                signal.signal(signal.SIGHUP, self._hand_on_hangup)
            else:
                self._start_runs()
            self._watch(periodic=periodic)
            self._end_children()
            return self._finish(RunReader(connect(self._redis_url)), self._save_state())
        finally:
            self._end_children()
            redis.end()

    def _watch(self, *, periodic: bool) -> None:
        # Imported late: workers need none of it, and load their own code at this moment.
        self._clock.pause(HEAD_START)
        from dregsy_queue.embedded.watcher import Watcher

        with self._display() as display:
            for child in self._children:
                self._show_lines(child)
            self._follow(Watcher(connect(self._redis_url), self._names, live=self._live), display, periodic=periodic)

    def _follow(self, watcher: Watcher, display: Display, *, periodic: bool) -> None:
        """Until every run has ended (periodic tasks: for ever), or a signal came."""
        started = self._clock.monotonic()
        while not self._received:
            self._restart_ended()
            progress = watcher.look()
            display.show(progress)
            for run in watcher.ended(progress):
                display.ended(run)
                if periodic:
                    self._save_state()
            if not periodic and len(progress.runs) == len(self._names) and progress.idle:
                return
            elapsed = self._clock.monotonic() - started
            if elapsed > MEANWHILE:
                importlib.import_module(_SUMMARY)
            self._clock.pause(min(POLL, max(FIRST_POLL, elapsed / 40)))

    def _save_state(self) -> bool:
        """False when it cannot be written."""
        try:
            if self._state:
                self._state.save(self._records, self._names)
        except OSError as error:
            log.error("the state cannot be written to %s: %s", self._call.state, error.strerror)
            return False
        return True

    def _finish(self, reader: RunReader, saved: bool) -> int:
        to_stdout = self._call.report == Path("-")
        from rich.console import Console

        from dregsy_queue.embedded.summary import print_summary

        # The report has standard output for itself.
        summary = Console(file=sys.stderr if to_stdout else sys.stdout, emoji=False)
        print_summary(summary, reader, self._names, interrupted=bool(self._received))
        if self._call.report:
            text = json.dumps(report(reader, self._names), indent=2, ensure_ascii=False) + "\n"
            try:
                if to_stdout:
                    sys.stdout.write(text)
                    sys.stdout.flush()
                else:
                    self._call.report.write_text(text, encoding="utf-8")
            except OSError as error:
                log.error("the report cannot be written to %s: %s", self._call.report, error.strerror)
                return 1
        if self._received:
            return 128 + self._received[0]
        newest = (reader.newest(name) for name in self._names)
        return 1 if any(run.failed for run in newest if run) or not saved else 0

    def _start_runs(self) -> None:
        # No Celery here: the worker looks for what may run as soon as it is up.
        starter = RunStarter(settings.from_environment({**os.environ, "DREGSY_REDIS_URL": self._redis_url}))
        for task in self._call.tasks:
            starter.start(task, self._call.loaded.config)

    def _fork_worker(self, number: int) -> Child:
        name = f"worker {number}"
        if threading.active_count() > 1:
            # A copy of this process could wait for ever for what another thread holds.
            return self._start(name, worker_command(_node(number), self._slots))
        return Forked(
            name, lambda: worker.main(_node(number), self._slots), self._environment(), pipe_errors=self._live
        )

    def _start(self, name: str, command: list[str]) -> Child:
        return Program(name, command, self._environment(), stderr=subprocess.PIPE if self._live else None)

    def _show_lines(self, child: Child) -> None:
        """Lines of children appear above the live display instead of tearing it."""
        if child.stderr is not None:
            threading.Thread(target=self._print_lines, args=(child.stderr,), daemon=True).start()

    def _print_lines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self._console.out(line.decode(errors="replace").rstrip("\n"), highlight=False)

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        environment.update(
            DREGSY_CONFIG=str(self._call.loaded.path.absolute()),
            DREGSY_REDIS_URL=self._redis_url,
            DREGSY_RUN=self._call.run,
            DREGSY_ALONE="1",
            DREGSY_GRACE="0",
            TMPDIR=str(self._folder),
        )
        if self._live:
            environment.setdefault("LOG_FORMAT", "text")
            if takes_colors(environment):
                environment.setdefault("LOG_FORCE_COLORS", "1")
            # The display shows what goes well; lines are for what does not.
            if not any(task.verbose for task in self._call.tasks):
                environment.setdefault("LOG_LEVEL", "warn")
        return environment

    def _restart_ended(self) -> None:
        for index, child in enumerate(self._children):
            code = child.poll()
            if code is None:
                continue
            if self._clock.monotonic() - child.started < TOO_SOON:
                raise ChildError(f"the {child.name} ended right after its start (exit code {code})")
            log.warning("the %s ended (exit code %d) and is started again", child.name, code)
            scheduler = child.name == "scheduler"
            command = celery_command("beat") if scheduler else worker_command(_node(index + 1), self._slots)
            self._children[index] = again = self._start(child.name, command)
            self._show_lines(again)

    def _end_children(self) -> None:
        # After a signal jobs still run, and SIGTERM lets workers put them back. After the last run nothing runs.
        number = signal.SIGTERM if self._received else signal.SIGKILL
        for child in self._children:
            child.send_signal(number)
        for child in self._children:
            child.end(ENDING)
        self._children = []

    def _hand_on_hangup(self, *_: object) -> None:
        for child in self._children:
            if child.name == "scheduler":
                child.send_signal(signal.SIGHUP)

    def _display(self) -> Display:
        if self._live:
            from dregsy_queue.embedded.live import LiveDisplay

            return LiveDisplay(self._console)
        from dregsy_queue.embedded.progress import LineDisplay

        return LineDisplay()

    def _is_live(self) -> bool:
        # rich takes a while to load, and mostly there is nothing more to ask than this.
        told = os.environ.keys() & {"TTY_COMPATIBLE", "FORCE_COLOR"}
        return self._console.is_terminal if told else sys.stderr.isatty()

    @functools.cached_property
    def _records(self) -> Records:
        return Records(connect(self._redis_url))

    @functools.cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(stderr=True)


def _node(number: int) -> str:
    """The name of a worker, as Celery spells it."""
    return f"worker{number}@embedded"
