"""Who sends what may run now? One thread of a worker, for all jobs that ended meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Dispatcher:
    """Calls `send` soon after it was asked to: once for all who asked while the last call was under way."""

    def __init__(self, send: Callable[[], None]) -> None:
        """`send` deals with its own errors."""
        self._send = send
        self._asked, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def soon(self) -> None:
        """From any thread; waits for nothing."""
        self._asked.set()

    def stop(self) -> None:
        """End the thread; returns when it has ended, at most 10 s later."""
        self._stopped.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            if self._stopped.is_set():
                return
            try:
                self._send()
            except Exception:
                log.exception("unexpected error in sending messages")
