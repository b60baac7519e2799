"""``celery beat``, as a scheduler of ours needs it."""

from __future__ import annotations

from typing import Any

from celery.apps import beat


class Beat(beat.Beat):
    """Without its banner, which stands among log lines and shows a password of Redis where there is none."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - Celery's arguments
        super().__init__(**{**options, "quiet": True})
