"""Celery's consumer, as a worker of ours needs it: it survives losses of Redis, and does not talk to other workers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from celery import signals
from celery.worker import consumer, state
from redis.exceptions import ResponseError

from dregsy_queue.ledger.outages import plainly
from workers.celery_side.events import TOGETHER

log = logging.getLogger(__name__)


#: Seconds until Redis is asked again after a broken connection, and after a refusal, which would come again at once.
BROKE_OFF, REFUSED = 0.3, 1.0


class Consumer(consumer.Consumer):
    """Named by ``worker_consumer`` in the app."""

    _flush_events: Callable[[], None]

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Celery's arguments
        # Workers that talk to each other: nothing here needs it, and with Redis it costs messages per pair of workers.
        alone = {"without_gossip": True, "without_mingle": True}
        kwargs["worker_options"] = {**(kwargs.get("worker_options") or {}), **alone}
        super().__init__(*args, **kwargs)
        self._told = ""

    def register_with_event_loop(self, hub: Any) -> None:  # noqa: ANN401 - kombu's event loop
        super().register_with_event_loop(hub)
        hub.call_repeatedly(TOGETHER, self._flush_events)

    def close(self) -> None:
        """The worker ends. Celery says so to nobody when it was told by ``celery control shutdown`` or SIGHUP."""
        signals.worker_shutting_down.send(sender=self.hostname, sig="", how="Warm", exitcode=0)

    def ensure_connected(self, conn: Any) -> Any:  # noqa: ANN401 - kombu's connection
        """Wait until Redis answers. Celery tells of each try, with a password in the address that nobody has set."""
        self.first_connection_attempt = False
        return conn.ensure_connection(lambda error, _: self._tell(error), callback=state.maybe_shutdown)

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Redis broke off, or refused (it is full, read-only), while a connection began. Celery tries again without a
        pause and tells of each try."""
        self._tell(exc)
        _pause(exc)

    def _tell(self, error: Exception) -> None:
        """Of each outage once."""
        text = plainly(error)
        if text != self._told:
            log.warning("messages wait for Redis: %s", text)
        self._told = text

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Redis went away. When jobs ran at that moment, kombu 5.7 raises AttributeError as it closes the connection,
        and Celery would shut the worker down. The error does not matter: another connection follows."""
        if isinstance(exc, ResponseError):
            # It answers, and will say the same again: Celery's line does not tell what it means.
            self._tell(exc)
        else:
            self._told = ""
        _pause(exc)
        try:
            super().on_connection_error_after_connected(exc)
        except AttributeError as error:
            log.debug("the lost connection could not be closed: %s", error)


def _pause(error: Exception) -> None:
    time.sleep(REFUSED if isinstance(error, ResponseError) else BROKE_OFF)
