"""When is a mirror stale? One rule for the verdict of `dregsy status`, the page and notifications; the alerts
MirrorIsStale and NoGoodRun have it, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dregsy_queue.terminal import span

if TYPE_CHECKING:
    # Every command reads settings, which have `AFTER`, and few look at tasks.
    from dregsy_queue.ledger.overview import TaskOverview

#: Seconds that a mirror may be behind at least, unless DREGSY_STALE_AFTER says otherwise.
AFTER = 3600.0


def why_stale(task: TaskOverview, now: float, after: float = AFTER) -> str:
    """Why this task is stale at `now` (Unix time); "": it is not.

    A change waits for more than two intervals; or a periodic task had no run without failures for more than three; or
    of one that never had such a run, the newest has brought no image for more than two. And each for more than `after`
    seconds.
    """
    if task.lag > max(2 * task.interval, after):
        return f"a change has been waiting for {span(task.lag)}"
    age = now - task.last_good if task.last_good else 0.0
    if task.interval and age > max(3 * task.interval, after):
        return f"it has had no run without failures for {span(age)}"
    run = task.newest
    if run and not (run.done or task.last_good or run.copied or run.up_to_date):
        waited = now - run.started
        if waited > max(2 * task.interval, after):
            return f"its {'newest' if task.last else 'first'} run has brought no image for {span(waited)}"
    return ""
