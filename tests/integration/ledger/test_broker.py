"""Messages go through one client of Redis as long as the connection to the broker is the same."""

from __future__ import annotations

from kombu import Connection

from dregsy_queue import broker
from tests.lab.redis import RedisServer


def test_a_channel_keeps_its_client_until_its_pool_is_another(redis_server: RedisServer) -> None:
    broker.register()
    with Connection(redis_server.url) as connection:
        queue = connection.SimpleQueue("letters")
        queue.put("one")
        channel = queue.channel
        assert isinstance(channel, broker.Channel)
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
        with channel.conn_or_acquire(redis_server.client()) as given:
            assert given is not first
        channel._disconnect_pools()  # type: ignore[attr-defined]
        with channel.conn_or_acquire() as third:
            assert third is not first and third.connection_pool is channel.pool
        assert queue.get(timeout=5).payload == "one"
