"""``celery beat``, as a scheduler of ours needs it."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from celery.apps import beat
from celery.beat import Service


class Beat(beat.Beat):
    """Without Celery's banner, which would stand among log lines and shows a password although none is set."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - Celery's arguments
        super().__init__(**{**options, "quiet": True})

    def install_sync_handler(self, service: Service) -> None:
        """SIGTERM and SIGINT end it. A scheduler that gets one while it starts has nothing to hand over; Celery's own
        handler would make a second scheduler then."""

        def end(signum: int, frame: FrameType | None) -> None:
            if "scheduler" in vars(service):
                service.sync()
            raise SystemExit

        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, end)
