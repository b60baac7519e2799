"""What does a worker tell Flower of its jobs? Celery's events, twice a second, and only while somebody listens."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from celery.app import events
from celery.events.dispatcher import EventDispatcher
from celery.events.event import group_from

#: Seconds between two messages with the events of all jobs.
TOGETHER = 0.5
#: Events sent in one message at most.
MOST = 1000


class QuietDispatcher(EventDispatcher):
    """Redis tells of each message how many heard it. When nobody did, the next message has one event, to ask again."""

    producer: Any
    buffer_group: Container[str]
    _group_buffer: Mapping[str, list[object]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Celery's arguments
        # The consumer flushes by its own clock: see `TOGETHER`.
        super().__init__(*args, **{**kwargs, "buffer_limit": MOST, "on_send_buffered": None})

    def send(self, type: str, *args: Any, **fields: Any) -> None:  # noqa: ANN401 - Celery's arguments
        group = group_from(type)
        if group in self.buffer_group and self._group_buffer[group] and not self._is_heard():
            return
        super().send(type, *args, **fields)

    def _is_heard(self) -> bool:
        return getattr(getattr(self.producer, "channel", None), "heard", None) != 0


class Events(events.Events):
    """Named by the app."""

    dispatcher_cls = f"{__name__}:{QuietDispatcher.__name__}"
