"""The config as a long-running process holds it: a snapshot, replaced when the file's content changed.

What counts is a hash of the bytes, passwords included. A thread looks every few seconds, so everybody else gets the
snapshot without touching the file. A changed file is taken when two looks in a row find the same content: it may be
written in several steps.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dregsy_queue import logs
from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.config import secrets
from dregsy_queue.config.load import BIGGEST, ConfigError, LoadedConfig, load
from dregsy_queue.config.models import SyncTask

log = logging.getLogger(__name__)

#: Seconds between two looks at the file: a change counts after two of them.
LOOK = 2.0
#: A file whose dates were this near to the look, in seconds, may change again without a new date.
_COARSE = 2.0
#: An error of the newest file as it is shown elsewhere, in characters.
_LONGEST_ERROR = 500

_Stamp = tuple[int, int, int, int] | None


@dataclass(frozen=True)
class Snapshot:
    """A good config as it was read at one moment."""

    loaded: LoadedConfig
    #: of the bytes that it was read from; never to be shown
    content: bytes
    #: tasks by name
    tasks: dict[str, SyncTask]

    @functools.cached_property
    def digest(self) -> str:
        """A few digits that tell two contents apart, and tell nothing about either."""
        return short(self.content)


class CurrentConfig:
    """Thread-safe. A changed file that is not valid is not used: the last good config stays, and an error says so."""

    def __init__(self, path: Path, clock: Clock = SYSTEM) -> None:
        """Read `path`. Raises: ConfigError."""
        self._path, self._clock = path, clock
        self._looking = threading.Lock()
        self._stamp: _Stamp = None
        #: content as of the last look, and whether it was judged
        self._seen, self._judged = b"", True
        self._error = ""
        self._thread: threading.Thread | None = None
        content = self._read() or b""
        self._snapshot = self._load(content)
        self._seen = content

    @property
    def snapshot(self) -> Snapshot:
        return self._snapshot

    @property
    def digest(self) -> str:
        """Of the config in use, as `Snapshot.digest`."""
        return self._snapshot.digest

    @property
    def error(self) -> str:
        """Why the newest file is not used; "" when it is."""
        return self._error

    def get(self) -> LoadedConfig:
        """The config as of now; costs nothing."""
        return self._snapshot.loaded

    def task(self, name: str) -> SyncTask | None:
        return self._snapshot.tasks.get(name)

    def follow(self, changed: Callable[[], object] = lambda: None) -> None:
        """Look every `LOOK` seconds from now on, in a thread of its own; `changed` is called there after a change."""

        def run() -> None:
            while True:
                self._clock.pause(LOOK)
                try:
                    if self.look():
                        changed()
                except Exception:
                    log.exception("the config could not be looked at")

        self._thread = threading.Thread(target=run, name="config", daemon=True)
        self._thread.start()

    def look(self) -> bool:
        """Look at the file; True when there is another good config now."""
        with self._looking:
            content = self._read()
            if content is None:
                # unchanged since the last look
                content = self._seen
            if content != self._seen:
                self._seen, self._judged = content, False
                return False
            return False if self._judged else self._judge(content)

    def refresh(self) -> bool:
        """Look at the file and take it as it is now; True when there is another good config now."""
        with self._looking:
            self._stamp = None
            content = self._read() or b""
            if content == self._seen and self._judged:
                return False
            self._seen = content
            return self._judge(content)

    def _judge(self, content: bytes) -> bool:
        self._judged = True
        if content == self._snapshot.content:
            self._error = ""
            return False
        try:
            self._snapshot = self._load(content)
        except ConfigError as error:
            self._error = str(error)[:_LONGEST_ERROR]
            log.error("the changed config is not valid and is NOT used; the last good one stays:\n%s", error)
            return False
        self._error = ""
        log.info("config reloaded", extra=logs.log_fields(config=self._path, fingerprint=self._snapshot.digest))
        return True

    def _load(self, content: bytes) -> Snapshot:
        loaded = load(self._path)
        secrets.keep_out_of_texts(loaded.config)
        for warning in loaded.warnings:
            log.warning("%s", warning)
        return Snapshot(loaded, content, {task.name: task for task in loaded.config.tasks})

    def _read(self) -> bytes | None:
        """Hash of the file's bytes; "" when it cannot be read; None when its dates say that it is as it was."""
        try:
            # follows links: Kubernetes swaps a link above the file
            status = os.stat(self._path)  # noqa: PTH116
            stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
            recent = self._clock.time() - max(status.st_mtime, status.st_ctime) < _COARSE
            if stamp == self._stamp:
                return None
            with self._path.open("rb") as file:
                content = hashlib.sha256(file.read(BIGGEST + 1)).digest()
        except OSError:
            self._stamp = None
            return b""
        self._stamp = None if recent else stamp
        return content


def short(content: bytes) -> str:
    """8 hex digits for a hash that is made of secrets; slow on purpose, so that nobody can try passwords by it."""
    return hashlib.pbkdf2_hmac("sha256", content, b"dregsy config", 20_000).hex()[:8]
