"""A cheaper Redis transport for kombu: our messages only wake a worker, so one may get lost.

The ledger knows what is to be done and who does it, and admits a job again whose message is lost (see
`ledger.admission.CLAIM_WITHIN`). So a received message is in this process's memory alone. kombu 5.7 keeps it in Redis
until it is acknowledged, which takes two transactions a message. kombu also makes a client for each command, which
looks through all commands that redis-py knows; this transport keeps one client.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from time import monotonic
from typing import TYPE_CHECKING, Any

import redis
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as kombu_redis
from kombu.utils import json
from kombu.utils.encoding import bytes_to_str

from dregsy_queue.ledger.redis_url import ask_once

#: Messages asked for at once at most.
_MOST = 64

log = logging.getLogger(__name__)

if TYPE_CHECKING:

    class _Base(kombu_redis.Channel):
        """Members of kombu's channels that its type stubs leave out."""

        _queue_cycle: Any
        connection_errors: tuple[type[Exception], ...]

        def _brpop_start(self, timeout: float | None = None) -> None: ...
        def _brpop_read(self, **options: Any) -> bool: ...  # noqa: ANN401
        def _flush_brpop_reauth(self) -> None: ...
        def _get_publish_topics(self, exchange: str, routing_key: str) -> list[str]: ...
        def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any: ...  # noqa: ANN401
else:
    _Base = object


class QoS(virtual.QoS):
    """Counts messages in hand, so that a busy worker takes no more of them."""

    channel: Any
    _delivered: Any
    _flush: Any

    def restore_unacked(self) -> Any:  # noqa: ANN401 - kombu takes a list of failures, its stubs say None
        """The worker ends: send its unfinished messages to others. Without Redis nothing is sent; the
        ledger admits their jobs again."""
        self._flush()
        try:
            while self._delivered:
                _, message = self._delivered.popitem()
                self.channel._restore(message)
        except (redis.RedisError, OSError) as error:
            log.debug("messages are not sent again: %s", error)
            self._delivered.clear()
        return []


class _Cheap(_Base):
    """For the channels of both of kombu's transports."""

    ack_emulation = False
    _kept: redis.Redis | None = None
    #: how many listeners got the last broadcast message; None: none was sent yet
    heard: int | None = None
    _has_blmpop = True
    #: messages asked for by the command that waits for an answer, and by the next one
    _asked = _next = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - kombu's arguments
        super().__init__(*args, **kwargs)
        self.QoS: Any = QoS

    @contextmanager
    def conn_or_acquire(self, client: redis.Redis | None = None) -> Iterator[redis.Redis]:
        """`client`, or one of this channel's."""
        if client is not None:
            yield client
            return
        # Another pool comes with each new connection to the broker.
        if self._kept is None or self._kept.connection_pool is not self.pool:
            with super().conn_or_acquire() as made:
                self._kept = made
        yield self._kept

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for one message, or for several: twice as many as last time if that many came. So where messages are few,
        each waiting worker gets some. Redis before 7 gives one at a time."""
        queues = self._queue_cycle.consume(len(self.active_queues))
        room = self.qos.can_consume_max_estimate() or _MOST
        self._asked = min(self._next, room, _MOST)
        if not queues or self._asked < 2:
            super()._brpop_start(timeout)
            return
        connection = self.client.connection
        self._in_poll, self._brpop_sent_at = connection, monotonic()
        keys = [self.global_keyprefix + queue for queue in queues]
        seconds = self.brpop_timeout if timeout is None else timeout
        connection.send_command("BLMPOP", seconds, len(keys), *keys, "RIGHT", "COUNT", self._asked)

    def _brpop_read(self, **options: Any) -> bool:  # noqa: ANN401
        if self._asked < 2:
            self._next = 1
            found = bool(super()._brpop_read(**options))
            self._next = 2 if self._has_blmpop else 1
            return found
        self._next, client = 1, self.client
        try:
            reply = client.parse_response(client.connection, "BLMPOP", **options)
        except redis.ResponseError as error:
            # Redis before 7, or one that does not let this user do so
            if "unknown command" not in str(error) and not isinstance(error, redis.exceptions.NoPermissionError):
                raise
            self._has_blmpop = False
            raise Empty from error
        except self.connection_errors:
            client.connection.disconnect()
            raise
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if not reply:
            raise Empty
        queue, messages = bytes_to_str(reply[0]).removeprefix(self.global_keyprefix), reply[1]
        if len(messages) == self._asked:
            self._next = 2 * self._asked
        self._queue_cycle.rotate(queue)
        for message in messages:
            self.connection._deliver(json.loads(bytes_to_str(message)), queue)
        return True

    def _put_fanout(self, exchange: str, message: object, routing_key: str, **kwargs: Any) -> None:  # noqa: ANN401
        payload, topics = json.dumps(message), self._get_publish_topics(exchange, routing_key)
        with self.conn_or_acquire() as client:
            self.heard = sum(int(client.publish(topic, payload)) for topic in topics)


class Channel(_Cheap, kombu_redis.Channel):
    pass


class SentinelChannel(_Cheap, kombu_redis.SentinelChannel):
    def _sentinel_managed_pool(self, asynchronous: bool = False) -> Any:  # noqa: ANN401 - kombu's
        pool = super()._sentinel_managed_pool(asynchronous)
        ask_once(pool.sentinel_manager)
        return pool


class Transport(kombu_redis.Transport):
    Channel = Channel


class SentinelTransport(kombu_redis.SentinelTransport):
    Channel = SentinelChannel


def register() -> None:
    """Make kombu use this transport for every Redis URL."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
    TRANSPORT_ALIASES["sentinel"] = f"{__name__}:{SentinelTransport.__name__}"
