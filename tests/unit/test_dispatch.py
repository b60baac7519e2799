"""Messages that the broker does not take."""

from __future__ import annotations

from typing import Any

import pytest

from dregsy_queue.celery import make_app
from dregsy_queue.dispatch import dispatch
from dregsy_queue.ledger.admission import Admitted
from tests.lab.processes import free_port


class Full:
    def admit(self) -> list[Admitted]:
        return [Admitted("1-a:2", 1, "plan", None)]


def test_an_outage_is_told_as_one() -> None:
    app = make_app(f"redis://127.0.0.1:{free_port()}/0")
    admission: Any = Full()
    with pytest.raises(OSError, match="refused"):
        dispatch(app, admission)


def test_a_connection_that_another_thread_closes_meanwhile_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(f"redis://127.0.0.1:{free_port()}/0")
    admission: Any = Full()

    def closed(*_: object, **__: object) -> None:
        raise AttributeError("'NoneType' object has no attribute 'client'")

    monkeypatch.setattr(app, "send_task", closed)
    with pytest.raises(OSError, match="client"):
        dispatch(app, admission)
