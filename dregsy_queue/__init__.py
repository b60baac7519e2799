"""dregsy_queue: sync container images between registries, as a distributed job queue.

`app` is the Celery application, so that ``celery -A dregsy_queue worker`` works. It is made on first use:
reading a config file or matching tags needs no Celery.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the signature of PEP 562
    if name == "app":
        from dregsy_queue.app import app

        return app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
