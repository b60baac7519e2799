"""The laboratory's Redis forgets or keeps as told."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from dregsy_queue.ledger.connection import connect
from tests.lab.redis import RedisServer


@pytest.fixture
def lasting(tmp_path: Path) -> RedisServer:
    return RedisServer(tmp_path / "lasting", append_only=True)


def test_it_answers_and_forgets_over_a_restart(redis_server: RedisServer, redis_url: str) -> None:
    assert redis_url == redis_server.url
    client = redis_server.client()
    client.set("key", "value")
    assert client.get("key") == "value"
    redis_server.restart()
    assert redis_server.client().get("key") is None


def test_append_only_outlives_a_kill(lasting: RedisServer) -> None:
    lasting.start()
    try:
        client = lasting.client()
        client.set("key", "value")
        lasting.kill()
        with pytest.raises(redis.ConnectionError):
            lasting.client().ping()
        lasting.start()
        assert lasting.client().get("key") == "value"
    finally:
        lasting.kill()


def test_on_a_socket_there_is_no_port(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "r", unix_socket=True).start()
    try:
        server.client().set("key", "value")
        assert server.port == 0 and server.url.startswith("redis+socket:///")
        assert connect(server.url).get("key") == "value", "the product reads this URL too"
        assert server.client().config_get("port") == {"port": "0"}
        server.restart()
        assert server.client().ping()
    finally:
        server.kill()
