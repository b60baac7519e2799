"""How Celery takes a message in: as usual, except that one that cannot be read is dropped; it would end the worker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.strategy import default

log = logging.getLogger(__name__)


def tolerant(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:  # noqa: ANN401 - Celery's
    """A Celery strategy: makes the handler of one task's messages."""
    handle = default(task, app, consumer, **options)

    def handler(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **more: Any) -> Any:  # noqa: ANN401
        try:
            return handle(message, body, ack, reject, callbacks, **more)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("message of task %s cannot be read and is dropped: %s", task.name, error)
            message.reject()
            return None

    return handler
