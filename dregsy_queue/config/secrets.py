"""Which parts of a config must not appear in texts, and which may."""

from __future__ import annotations

from dregsy_queue import redact
from dregsy_queue.config.models import Config


def keep_out_of_texts(config: Config) -> None:
    """Hide all passwords of `config` in log lines and errors; names of tasks and registries stay whole."""
    redact.know(config.registries)
    for task in config.tasks:
        redact.know((task.name, task.source.host, task.target.host))
        for location in (task.source, task.target):
            if location.credentials:
                redact.hide(location.credentials.password, location.credentials.username)
