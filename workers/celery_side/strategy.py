"""How Celery takes a message in: as usual, except for two cases that would end the worker.

A message that cannot be read is dropped, and an acknowledgement whose connection is gone by then is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.strategy import default
from kombu.transport import virtual
from redis import RedisError

log = logging.getLogger(__name__)


def tolerant(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:  # noqa: ANN401 - Celery's
    """A Celery strategy: makes the handler of one task's messages."""
    handle = default(task, app, consumer, **options)

    def handler(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **more: Any) -> Any:  # noqa: ANN401
        outlive_connection(message)
        try:
            return handle(message, body, ack, reject, callbacks, **more)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("message of task %s cannot be read and is dropped: %s", task.name, error)
            message.reject()
            return None

    return handler


def outlive_connection(message: Any) -> None:  # noqa: ANN401 - kombu's message
    """Make `message` acknowledge nothing when the connection that brought it is closed or broken by then.

    kombu then raises an error on which Celery shuts the worker down. Redis has the message back already, and
    what it said is done: whoever gets it again finds nothing to claim.
    """

    def unless_gone(act: Callable[..., None]) -> Callable[..., None]:
        def guarded(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - kombu's arguments
            transport = message.channel.connection
            if message.channel.closed or transport is None or transport.client is None:
                log.debug("the connection of a message is gone, it is not acknowledged")
                return
            try:
                act(*args, **kwargs)
            except (RedisError, OSError) as error:
                log.debug("a message is not acknowledged: %s", error)
                # Redis delivers it again some day, to no effect. It must not count as prefetched any more, or the
                # worker would get no other messages.
                virtual.QoS.ack(message.channel.qos, message.delivery_tag)

        return guarded

    message.ack, message.reject = unless_gone(message.ack), unless_gone(message.reject)
