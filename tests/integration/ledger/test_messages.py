"""Acknowledging a message after its connection is gone, as happens when Redis was restarted under a running job."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import kombu
import pytest
from kombu import Connection, Queue
from kombu.message import Message

from tests.lab.redis import RedisServer
from workers.celery_side.strategy import outlive_connection

QUEUE = Queue("q", routing_key="q")


@pytest.fixture
def connection(redis_server: RedisServer) -> Iterator[Connection]:
    with Connection(redis_server.url) as connection:
        yield connection


def receive(connection: Connection) -> Message:
    connection.Producer(connection.default_channel).publish({"a": 1}, routing_key="q", declare=[QUEUE])
    got: list[Message] = []
    with kombu.Consumer(connection.default_channel, [QUEUE], callbacks=[lambda _, message: got.append(message)]):
        connection.drain_events(timeout=5)
    return got[0]


@pytest.mark.parametrize("ending", ["release", "collect"])
def test_without_its_connection_a_message_is_left_alone(connection: Connection, ending: str) -> None:
    message = receive(connection)
    outlive_connection(message)
    getattr(connection, ending)()
    message.ack_log_error(logging.getLogger(), ())
    message.reject_log_error(logging.getLogger(), ())


def test_with_its_connection_it_is_acknowledged(connection: Connection, redis_server: RedisServer) -> None:
    message = receive(connection)
    outlive_connection(message)
    client = redis_server.client()
    assert client.hlen("unacked") == 1
    message.ack_log_error(logging.getLogger(), ())
    assert client.hlen("unacked") == 0 and message.acknowledged


def test_on_a_broken_connection_it_is_left_alone(connection: Connection, redis_server: RedisServer) -> None:
    message = receive(connection)
    outlive_connection(message)
    redis_server.kill()
    message.ack_log_error(logging.getLogger(), ())
    assert not message.acknowledged
