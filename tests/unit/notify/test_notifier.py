"""The notifier goes on, whatever happens at a look; nothing here has a Redis."""

from __future__ import annotations

import logging

import pytest

from dregsy_queue.ledger.connection import connect
from dregsy_queue.notify.notifier import PAUSE, Notifier
from dregsy_queue.notify.webhook import Webhook
from tests.lab.clock import FakeClock
from tests.lab.processes import free_port


class Over(BaseException):
    pass


class ShortDay(FakeClock):
    def pause(self, seconds: float) -> None:
        super().pause(seconds)
        if len(self.slept) == 3:
            raise Over


def test_an_outage_of_redis_is_told_once_and_the_looks_go_on(caplog: pytest.LogCaptureFixture) -> None:
    clock, nobody = ShortDay(), connect(f"redis://127.0.0.1:{free_port()}", patient=False)
    with caplog.at_level(logging.WARNING), pytest.raises(Over):
        Notifier(nobody, Webhook("http://127.0.0.1:1"), clock=clock).run()
    assert clock.slept == [PAUSE] * 3
    assert [record.message.partition(":")[0] for record in caplog.records] == ["notifications wait for Redis"]


def test_an_unexpected_error_does_not_end_it(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, nobody = ShortDay(), connect(f"redis://127.0.0.1:{free_port()}", patient=False)
    notifier = Notifier(nobody, Webhook("http://127.0.0.1:1"), clock=clock)
    monkeypatch.setattr(notifier, "look", lambda: int("no number"))
    with caplog.at_level(logging.WARNING), pytest.raises(Over):
        notifier.run()
    assert [record.message for record in caplog.records] == ["unexpected error in notifications"] * 3
