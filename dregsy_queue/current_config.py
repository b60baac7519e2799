"""The config as a long-running process holds it: read anew when its file changed."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from dregsy_queue import logs
from dregsy_queue.config.load import ConfigError, LoadedConfig, load
from dregsy_queue.config.models import SyncTask

log = logging.getLogger(__name__)


class CurrentConfig:
    """Thread-safe. A changed file that is broken changes nothing: the last good config stands, loudly."""

    def __init__(self, path: Path) -> None:
        """Read `path`. Raises: ConfigError."""
        self._path = path
        self._lock = threading.Lock()
        self._stamp = self._read_stamp()
        self._loaded = load(path)
        _hide_secrets(self._loaded)

    def get(self) -> LoadedConfig:
        """The config as of now."""
        with self._lock:
            stamp = self._read_stamp()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._loaded = load(self._path)
                except ConfigError as error:
                    log.error("the changed config is not valid and is not used; the last good one stays:\n%s", error)
                else:
                    _hide_secrets(self._loaded)
                    log.info("config read anew", extra=logs.fields(config=self._path))
            return self._loaded

    def task(self, name: str) -> SyncTask | None:
        return next((task for task in self.get().config.tasks if task.name == name), None)

    def _read_stamp(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - follows links, as Kubernetes swaps them
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_ino, status.st_size)


def _hide_secrets(loaded: LoadedConfig) -> None:
    for task in loaded.config.tasks:
        for location in (task.source, task.target):
            if location.credentials:
                logs.hide(location.credentials.password)
