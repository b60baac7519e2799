"""What `dregsy status` reads."""

from __future__ import annotations

from typing import Any

import pytest
from redis.connection import AbstractConnection

from dregsy_queue.ledger import situation

from .conftest import Ledger, image


def test_many_tasks_take_few_round_trips(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.worker()
    number = 300
    for place in range(number):
        ledger.start(f"t{place}")
    plans = [ledger.claim(admitted) for admitted in ledger.admission.admit()]
    assert plans
    for plan in plans:
        ledger.runs.add(plan, [image(1, task=plan.task)])
        ledger.runs.end_plan(plan)
    sent = 0
    send: Any = AbstractConnection.send_packed_command

    def count(self: AbstractConnection, *arguments: Any, **more: Any) -> None:
        nonlocal sent
        sent += 1
        send(self, *arguments, **more)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", count)
    found = situation.read(ledger.redis)
    assert len(found.tasks) == number
    assert sum(waiting.number for waiting in found.waiting) == number
    assert sent < 100, "round trips grow with the number of tasks"
