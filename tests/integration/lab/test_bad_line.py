"""The bad line does to Redis' clients what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.lab.bad_line import BadLine
from tests.lab.redis import RedisServer


@pytest.fixture
def line(redis_server: RedisServer) -> Iterator[BadLine]:
    with BadLine("127.0.0.1", redis_server.port) as line:
        yield line


def client(line: BadLine) -> redis.Redis:
    return redis.Redis(port=line.port, socket_timeout=0.5, retry=Retry(NoBackoff(), 0), decode_responses=True)


def test_an_answer_gets_lost_after_the_request_was_carried_out(line: BadLine, redis_server: RedisServer) -> None:
    caller = client(line)
    assert caller.incr("n") == 1
    line.losing = 1.0
    with pytest.raises(redis.ConnectionError):
        caller.incr("n")
    line.losing = 0.0
    assert redis_server.client().get("n") == "2" and line.lost == 1
    assert caller.incr("n") == 3


def test_a_connection_that_lived_through_a_silence_stays_dead(line: BadLine) -> None:
    before, after = client(line), client(line)
    before.ping()
    line.fall_silent()
    with pytest.raises(redis.TimeoutError):
        after.ping()
    line.speak()
    assert after.ping(), "a new connection works"
    connections = line.connections
    with pytest.raises(redis.TimeoutError):
        before.ping()
    assert line.connections == connections, "it was the old connection that failed"


def test_it_leads_to_another_server(line: BadLine, redis_server: RedisServer, tmp_path: Path) -> None:
    other = RedisServer(tmp_path / "other").start()
    try:
        caller = client(line)
        caller.set("where", "here")
        line.lead_to("127.0.0.1", other.port)
        assert caller.get("where") is None
    finally:
        other.kill()
