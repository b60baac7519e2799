"""Messages that Redis does not take, and what a message is."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from redis import RedisError

from dregsy_queue.celery import make_app
from dregsy_queue.dispatch import dispatch, message
from dregsy_queue.ledger.admission import Admitted
from dregsy_queue.ledger.connection import connect
from tests.lab.processes import free_port

PLAN = Admitted("1-a:plan", 7, "plan", None)


class Full:
    """An admission that admits one plan, and then loses its Redis."""

    def __init__(self) -> None:
        self.connection = connect(f"redis://127.0.0.1:{free_port()}/0", patient=False)

    def admit(self) -> list[Admitted]:
        return [PLAN]


def test_an_outage_is_told_as_one() -> None:
    admission: Any = Full()
    with pytest.raises(RedisError, match="refused"):
        dispatch(admission)


def test_a_message_is_what_celery_makes_of_it() -> None:
    app = make_app("redis://127.0.0.1:1/0")
    ours = message(PLAN, "dregsy.plan")
    theirs = app.amqp.as_task_v2("1-a:plan.7", "dregsy.plan", (1, "1-a:plan", 7), argsrepr="1-a:plan")
    assert {**theirs.headers, **ours["headers"]} == {
        **theirs.headers,
        "origin": "dregsy",
        "ignore_result": True,
    }
    assert {**ours["properties"], **theirs.properties} == ours["properties"]
    assert json.loads(b64decode(ours["body"])) == [[1, "1-a:plan", 7], theirs.body[1], theirs.body[2]]
