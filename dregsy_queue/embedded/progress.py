"""Progress while it works, and how it is shown where there is no terminal: by log lines."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.ledger.report import RunCounts, RunningJob
from dregsy_queue.ledger.waiting import Waiting
from dregsy_queue.logs import log_fields
from dregsy_queue.terminal import clean, moment, plural, span

log = logging.getLogger(__name__)

#: Seconds between two progress lines where there is no terminal.
LINE_EVERY = 10.0


@dataclass(frozen=True)
class Progress:
    """How it stands. `waiting`: what goes on later by itself."""

    runs: Sequence[RunCounts]
    running: Sequence[RunningJob]
    waiting: Sequence[Waiting]
    #: bytes sent to targets since the start, by transfers that have ended
    sent: int
    #: the task that runs next, and when (Unix time in seconds); None: no scheduler has one in store
    following: tuple[str, float] | None = None

    @property
    def total(self) -> int:
        return sum(run.total for run in self.runs)

    @property
    def open(self) -> int:
        return sum(run.open for run in self.runs)

    @property
    def idle(self) -> bool:
        return bool(self.runs) and all(run.done for run in self.runs)

    @property
    def moved(self) -> int:
        """Bytes, running transfers included as far as their relays tell."""
        return self.sent + sum(job.bytes or 0 for job in self.running)

    def phase(self, now: float) -> str:
        """One word or sentence: what it does now (Unix time)."""
        if not self.runs:
            return "starting"
        if self.idle:
            if self.following is None:
                return "idle"
            task, at = self.following
            return f"idle, next run of {clean(task)} at {moment(at, now)}"
        if self.running:
            return "syncing"
        planning = any(run.state == "planning" for run in self.runs)
        if self.waiting and not self._about_to_start():
            host = next((found.host for found in self.waiting if found.host), "")
            return f"waiting for {clean(host)}" if host else "waiting"
        return "planning" if planning else "syncing"

    def reasons(self) -> list[str]:
        """What waits, and for what; empty while everything goes on."""
        return [
            f"{clean(found.task)}: {_what(found)}: {clean(found.why)}"
            + (f", next in {span(found.seconds)}" if found.seconds is not None else "")
            for found in self.waiting
            if not _starts(found)
        ]

    def _about_to_start(self) -> bool:
        return all(_starts(found) for found in self.waiting)


def counts(*runs: RunCounts) -> list[str]:
    """``9 copied``, …: what there is any of; copied and up to date always."""
    cancelled, failed = sum(run.cancelled for run in runs), sum(run.failed for run in runs)
    found = [f"{sum(run.copied for run in runs)} copied", f"{sum(run.up_to_date for run in runs)} up to date"]
    return found + [f"{failed} failed"] * bool(failed) + [f"{cancelled} cancelled"] * bool(cancelled)


def _what(waiting: Waiting) -> str:
    return "planning" if waiting.planning else plural(waiting.number, "image")


def _starts(waiting: Waiting) -> bool:
    """Whether it waits for nothing but its turn."""
    return waiting.why.endswith("about to start") or waiting.why == "no worker lives"


class Display(Protocol):
    def __enter__(self) -> Display: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, progress: Progress) -> None: ...
    def ended(self, run: RunCounts) -> None: ...


class LineDisplay:
    """A log line now and then, when something moved, and when there is another reason to wait."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._next = clock.monotonic() + LINE_EVERY
        self._last = ""

    def __enter__(self) -> LineDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ended(self, run: RunCounts) -> None:
        more = {"bytes": run.sent} if run.sent else {}
        log.info(
            "run ended: %s in %.1f s",
            ", ".join(counts(run)),
            run.seconds,
            extra=log_fields(**run.figures, **more),
        )

    def show(self, progress: Progress) -> None:
        if self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + LINE_EVERY
        done, running = progress.total - progress.open, len(progress.running)
        line = f"{done} of {progress.total} images done, {plural(running, 'transfer')} running"
        reasons = progress.reasons()
        if not progress.total and not reasons:
            line = progress.phase(self._clock.time())
        elif not running and reasons:
            so_far = f"{done} of {progress.total} images done; " if progress.total else ""
            line = f"{so_far}waiting: {reasons[0]}"
        if progress.idle:
            line = progress.phase(self._clock.time())
        if line != self._last:
            self._last = line
            log.info("%s", line, extra=log_fields(failed=sum(run.failed for run in progress.runs) or ""))
