"""Messages are in hand in a worker's memory alone, so that they cost little, and their end needs no Redis."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import kombu
import pytest
from kombu import Connection, Queue
from kombu.message import Message

from dregsy_queue import broker
from tests.lab.redis import RedisServer

QUEUE = Queue("q", routing_key="q")


@pytest.fixture
def connection(redis_server: RedisServer) -> Iterator[Connection]:
    broker.register()
    with Connection(redis_server.url) as connection:
        yield connection


def send(connection: Connection, *bodies: int) -> None:
    producer = connection.Producer(connection.default_channel)
    for body in bodies:
        producer.publish(body, routing_key="q", declare=[QUEUE])


def receive(connection: Connection) -> Message:
    send(connection, 1)
    got: list[Message] = []
    with kombu.Consumer(connection.default_channel, [QUEUE], callbacks=[lambda _, message: got.append(message)]):
        connection.drain_events(timeout=5)
    return got[0]


def test_a_message_in_hand_is_not_in_redis(connection: Connection, redis_server: RedisServer) -> None:
    message = receive(connection)
    assert redis_server.client().keys("*") == []
    message.ack_log_error(logging.getLogger(), ())
    assert message.acknowledged


@pytest.mark.parametrize("ending", ["release", "collect"])
def test_it_ends_without_its_connection(connection: Connection, ending: str) -> None:
    acknowledged, rejected = receive(connection), receive(connection)
    getattr(connection, ending)()
    acknowledged.ack_log_error(logging.getLogger(), ())
    rejected.reject_log_error(logging.getLogger(), ())


def test_it_ends_without_redis(connection: Connection, redis_server: RedisServer) -> None:
    message = receive(connection)
    redis_server.kill()
    message.ack_log_error(logging.getLogger(), ())
    assert message.acknowledged


def test_a_consumer_that_ends_gives_back_what_it_has_in_hand(connection: Connection, redis_server: RedisServer) -> None:
    receive(connection)
    connection.release()
    assert redis_server.client().llen("q") == 1


@pytest.mark.parametrize("options", [[], ["--rename-command", "BLMPOP", ""]], ids=["many", "one by one"])
def test_no_more_are_taken_than_there_is_room_for(
    connection: Connection, redis_server: RedisServer, options: list[str]
) -> None:
    redis_server.stop()
    redis_server.start(*options)
    got: list[Message] = []
    consumer = kombu.Consumer(
        connection.default_channel,
        [QUEUE],
        callbacks=[lambda _, message: got.append(message)],
        prefetch_count=5,
    )
    send(connection, *range(20))
    with consumer:
        while len(got) < 5:
            connection.drain_events(timeout=5)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.1)
        assert [message.payload for message in got] == [0, 1, 2, 3, 4]
        for message in got:
            message.ack()
        while len(got) < 10:
            connection.drain_events(timeout=5)
    assert [message.payload for message in got[5:]] == [5, 6, 7, 8, 9]
