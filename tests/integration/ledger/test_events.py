"""Celery's events of jobs are sent together, and as long as somebody listens."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest

from dregsy_queue.celery import make_app
from tests.lab.redis import RedisServer


@pytest.fixture
def dispatcher(redis_server: RedisServer) -> Iterator[Any]:
    app = make_app(redis_server.url)
    with (
        app.connection_for_write() as connection,
        app.events.Dispatcher(connection, hostname="w1@lab", buffer_group=["task"]) as dispatcher,
    ):
        yield dispatcher


def send(dispatcher: Any, *jobs: int) -> None:
    for job in jobs:
        dispatcher.send("task-received", uuid=f"job {job}")


def test_events_go_together_to_who_listens(dispatcher: Any, redis_server: RedisServer) -> None:
    listener: Any = redis_server.client().pubsub()  # type: ignore[no-untyped-call]

    def heard() -> list[str]:
        message = json.loads(next(listener.listen())["data"])
        return [event["uuid"] for event in json.loads(b64decode(message["body"]))]

    send(dispatcher, 1, 2)
    dispatcher.flush()
    # Nobody listened, so the next message asks again with one event.
    send(dispatcher, 3, 4)
    listener.psubscribe("/0.celeryev/*")
    assert next(listener.listen())["type"] == "psubscribe"
    dispatcher.flush()
    assert heard() == ["job 3"]
    send(dispatcher, 5, 6)
    dispatcher.flush()
    assert heard() == ["job 5", "job 6"]


def test_a_heartbeat_tells_too_whether_somebody_listens(dispatcher: Any, redis_server: RedisServer) -> None:
    dispatcher.send("worker-heartbeat")
    send(dispatcher, 1, 2)
    assert len(dispatcher._group_buffer["task"]) == 1
    listener: Any = redis_server.client().pubsub()  # type: ignore[no-untyped-call]
    listener.psubscribe("/0.celeryev/*")
    assert next(listener.listen())["type"] == "psubscribe"
    dispatcher.send("worker-heartbeat")
    send(dispatcher, 3)
    assert len(dispatcher._group_buffer["task"]) == 2
