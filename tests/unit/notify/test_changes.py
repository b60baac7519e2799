"""What is told of a task: a change once, and nothing while it stays."""

from __future__ import annotations

import pytest

from dregsy_queue.ledger.holds import Hold
from dregsy_queue.ledger.overview import TaskOverview
from dregsy_queue.ledger.report import RunCounts
from dregsy_queue.notify.changes import Announced, change
from dregsy_queue.notify.webhook import from_environment, signature
from dregsy_queue.settings import SettingsError


def _run(failed: int, why: str = "") -> RunCounts:
    return RunCounts("1", "t", "done", 1, 0, failed, 0, 0, 0, 1.0, 2.0, cancelled_why=why)


def _task(
    last: RunCounts | None = None,
    lag: float = 0,
    good: float = 0,
    interval: int = 0,
    left: float = 0,
    hold: bool = False,
) -> TaskOverview:
    held = Hold(1.0, 0.0, "") if hold else None
    return TaskOverview("t", last, 0, good, lag, last=last, interval=interval, left=left, hold=held)


@pytest.mark.parametrize(
    ("task", "told", "events"),
    [
        (_task(), Announced(), []),
        (_task(_run(0)), Announced(), []),
        (_task(_run(2)), Announced(), ["failed"]),
        (_task(_run(2)), Announced(failing=True), []),
        (_task(_run(0)), Announced(failing=True), ["recovered"]),
        (_task(_run(0, "an order")), Announced(failing=True), []),
        (_task(_run(1, "an order")), Announced(), []),
        (_task(_run(2), lag=101), Announced(failing=True), ["stale"]),
        (_task(_run(2), lag=101), Announced(), ["failed", "stale"]),
        (_task(_run(0), lag=101), Announced(failing=True, stale=True), []),
        (_task(_run(0)), Announced(stale=True), ["recovered"]),
        # nothing runs any more: the last good run is too long ago
        (_task(_run(0), good=1000 - 101, interval=30), Announced(), ["stale"]),
        (_task(_run(0), good=1000 - 99, interval=30), Announced(), []),
        (_task(_run(0), good=1000 - 101, interval=40), Announced(), []),
        (_task(_run(0), lag=119, interval=60), Announced(), []),
        (_task(_run(0), lag=121, interval=60), Announced(), ["stale"]),
        (_task(_run(0), good=1), Announced(), []),
        (_task(_run(2), left=1), Announced(), []),
        (_task(_run(2), hold=True), Announced(), []),
    ],
)
def test_changes(task: TaskOverview, told: Announced, events: list[str]) -> None:
    after, found = change(task, told, 1000, 100)
    assert found == events
    assert change(task, Announced.parse(str(after)), 1000, 100) == (after, []), "told once"


def test_what_another_release_told_is_read() -> None:
    assert Announced.parse('{"failing":true,"stale":false,"paused":true}') == Announced(failing=True)
    assert Announced.parse('{"stale":true}') == Announced(stale=True)


def test_settings() -> None:
    assert from_environment({}) is None
    hook = from_environment({"DREGSY_WEBHOOK_URL": "https://h.example/secret", "DREGSY_WEBHOOK_SECRET": "key of it"})
    assert hook and "secret" not in repr(hook) and "key of it" not in repr(hook)
    for wrong in (
        {"DREGSY_WEBHOOK_URL": "h.example"},
        {"DREGSY_WEBHOOK_URL": "https://h.example", "DREGSY_WEBHOOK_FORMAT": "xml"},
        {"DREGSY_WEBHOOK_URL": "https://h.example", "DREGSY_STALE_AFTER": "1h"},
        {"DREGSY_WEBHOOK_URL": "https://h.example", "DREGSY_STALE_AFTER": "nan"},
        {"DREGSY_WEBHOOK_URL": "https://h.example", "DREGSY_STALE_AFTER": "-1"},
        {"DREGSY_WEBHOOK_URL": "https://[h.example"},
        {"DREGSY_WEBHOOK_URL_FILE": "/no/such"},
    ):
        with pytest.raises(SettingsError):
            from_environment(wrong)


def test_signature() -> None:
    # RFC 4231, test case 2
    assert signature("Jefe", b"what do ya want for nothing?") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
