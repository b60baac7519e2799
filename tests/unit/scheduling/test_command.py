"""``celery beat`` as ours: how it ends."""

from __future__ import annotations

import signal

import pytest
from celery import Celery
from celery.beat import Service

from dregsy_queue.scheduling.command import Beat


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_what_is_told_to_end_while_it_starts_begins_no_scheduler(ending: signal.Signals) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    app = Celery(set_as_current=False)
    service = Service(app, scheduler_cls="no.such:Scheduler")  # type: ignore[arg-type]  # Celery takes names, too
    try:
        Beat(app=app).install_sync_handler(service)
        with pytest.raises(SystemExit):
            signal.raise_signal(ending)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
