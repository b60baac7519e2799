"""Looks at the tasks every few seconds, writes letters, and delivers them until they arrive.

Every scheduler does so, the standbys too: the ledger lets one of them write a letter, and one at a time send it.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

from redis import RedisError

from dregsy_queue import backoff, settings
from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.ledger.causes import causes
from dregsy_queue.ledger.connection import Connection, connect
from dregsy_queue.ledger.outbox import Outbox
from dregsy_queue.ledger.overview import Overview, TaskOverview
from dregsy_queue.ledger.report import RunReader
from dregsy_queue.ledger.staleness import why_stale
from dregsy_queue.notify import webhook
from dregsy_queue.notify.changes import Announced, Event, change
from dregsy_queue.notify.webhook import DeliveryError, Webhook
from dregsy_queue.redact import scrub

log = logging.getLogger(__name__)

#: Seconds between two looks.
PAUSE = 5.0
#: Seconds before the second try of a letter; each further one waits twice as long, up to the longest.
FIRST, LONGEST = 5.0, 300.0
#: Seconds after which a letter that does not arrive is given up.
GIVEN_UP = 86400.0
#: Reasons named in a letter.
REASONS = 5


class Notifier:
    def __init__(self, connection: Connection, hook: Webhook, *, first: float = FIRST, clock: Clock = SYSTEM) -> None:
        """`first`: seconds before the second try of a letter."""
        self._hook, self._first, self._clock = hook, first, clock
        self._overview, self._reader = Overview(connection), RunReader(connection)
        self._outbox = Outbox(connection)

    def look(self) -> None:
        """Write a letter for each change since the last look. Raises: RedisError."""
        now, told = self._overview.now(), self._outbox.told()
        for task in self._overview.tasks():
            before = told.get(task.name, "")
            after, events = change(task, Announced.parse(before), now, self._hook.stale_after)
            if str(after) != before and (events or before):
                letters = {uuid.uuid4().hex: json.dumps(self._letter(task, event, now)) for event in events}
                self._outbox.tell(task.name, before, str(after), letters)

    def deliver(self) -> int:
        """Send what is due; returns how many arrived. Raises: RedisError."""
        arrived = 0
        while (letter := self._outbox.take()) is not None:
            event = json.loads(letter.text or "{}")
            try:
                if event:
                    self._hook.send(letter.id, event)
            except DeliveryError as error:
                if self._overview.now() - event["at"] > GIVEN_UP:
                    log.error("a notification is given up after %d tries: %s", letter.attempt, error)
                    self._outbox.delivered(letter)
                    continue
                wait = backoff.delay(self._first, letter.attempt, longest=LONGEST)
                log.warning("a notification waits %.0f s: %s", wait, error)
                self._outbox.put_off(letter, wait)
            else:
                self._outbox.delivered(letter)
                arrived += 1
        return arrived

    def run(self) -> None:
        """Look and deliver every `PAUSE` seconds, for ever. An outage of Redis is logged once."""
        told = False
        while True:
            try:
                self.look()
                self.deliver()
                told = False
            except (RedisError, OSError) as error:
                if not told:
                    log.warning("notifications wait for Redis: %s", error)
                told = True
            except Exception:
                log.exception("unexpected error in notifications")
            self._clock.pause(PAUSE)

    def _letter(self, task: TaskOverview, event: Event, now: float) -> dict[str, Any]:
        run = task.last
        found = causes(self._reader.results(run.run), run.failure) if run and event == "failed" else []
        reasons = [{"reason": scrub(cause.text), "images": cause.number, "example": cause.target} for cause in found]
        return {
            "event": event,
            "task": task.name,
            "text": scrub(
                _sentence(task, event, [cause.text for cause in found], why_stale(task, now, self._hook.stale_after))
            ),
            "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
            "at": now,
            "run": run.run if run else "",
            "copied": run.copied if run else 0,
            "up_to_date": run.up_to_date if run else 0,
            "failed": run.failed if run else 0,
            "lag_seconds": round(task.lag),
            "reasons": reasons[:REASONS],
        }


def _sentence(task: TaskOverview, event: Event, reasons: list[str], stale: str) -> str:
    run = task.last
    if event == "failed" and run:
        why = f": {reasons[0]}" if reasons else ""
        if run.failure:
            return f"Sync task {task.name} could not be planned{why}"
        return f"Sync task {task.name}: {run.failed} of {run.total} images failed{why}"
    if event == "stale":
        return f"Sync task {task.name} is stale: {stale}"
    return f"Sync task {task.name} has recovered"


def start_if_wanted() -> None:
    """In the background of a scheduler, when a webhook is set; a wrong setting ends it with a sentence."""
    try:
        hook, redis_url = webhook.from_environment(), settings.from_environment().redis_url
    except settings.SettingsError as error:
        sys.exit(str(error))
    if hook is not None:
        notifier = Notifier(connect(redis_url), hook)
        threading.Thread(target=notifier.run, name="notifier", daemon=True).start()
