"""The config as a long-running process holds it, read anew when that is asked for or, with `watch`, when it changed."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path

from dregsy_queue import logs
from dregsy_queue.config import secrets
from dregsy_queue.config.load import ConfigError, LoadedConfig, load
from dregsy_queue.config.models import SyncTask

log = logging.getLogger(__name__)

#: A watched file is read when it has not changed for so long, in seconds: it may be written in several steps.
SETTLED = 5.0

_Stamp = tuple[int, int, int] | None


class CurrentConfig:
    """Thread-safe. A changed file that is broken changes nothing: the last good config stands, loudly."""

    def __init__(self, path: Path) -> None:
        """Read `path`. Raises: ConfigError."""
        self._path = path
        self._lock = threading.Lock()
        self._read_as = self._seen = self._stamp()
        self._changed_at = 0.0
        self._loaded = _load(path)

    def get(self) -> LoadedConfig:
        """The config as of now; with ``watch: true`` a changed file counts soon after its last change."""
        with self._lock:
            if self._loaded.config.watch:
                stamp, now = self._stamp(), time.monotonic()
                if stamp != self._seen:
                    self._seen, self._changed_at = stamp, now
                elif stamp != self._read_as and now - self._changed_at >= SETTLED:
                    self._read(stamp)
            return self._loaded

    def refresh(self) -> bool:
        """Read the file now if it changed since it was read; True when there is another good config now."""
        with self._lock:
            before, stamp = self._loaded, self._stamp()
            if stamp != self._read_as:
                self._seen = stamp
                self._read(stamp)
            return self._loaded is not before

    def task(self, name: str) -> SyncTask | None:
        return next((task for task in self.get().config.tasks if task.name == name), None)

    def _read(self, stamp: _Stamp) -> None:
        self._read_as = stamp
        try:
            self._loaded = _load(self._path)
        except ConfigError as error:
            log.error("the changed config is not valid and is NOT used; the last good one stays:\n%s", error)
        else:
            log.info("config read anew", extra=logs.fields(config=self._path, fingerprint=self._loaded.fingerprint))

    def _stamp(self) -> _Stamp:
        try:
            # follows links: Kubernetes swaps a link above the file
            status = os.stat(self._path)  # noqa: PTH116
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_ino, status.st_size)


def _load(path: Path) -> LoadedConfig:
    loaded = load(path)
    secrets.keep_out_of_texts(loaded.config)
    for warning in loaded.warnings:
        log.warning("%s", warning)
    return loaded
