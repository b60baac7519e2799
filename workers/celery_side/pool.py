"""Celery's slots, as a worker of ours needs them."""

from __future__ import annotations

from typing import Any

from celery.concurrency.thread import TaskPool

from dregsy_queue.concurrency import Threads


class Pool(TaskPool):
    """Celery's pool of threads; where one of its threads cannot be started, Celery would end the worker."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Celery's arguments
        super().__init__(*args, **kwargs)
        self.executor = Threads(self.limit, "slot")
