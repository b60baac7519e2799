"""How many bytes went through a child process, told by the kernel (``/proc/<pid>/io``, proc(5))."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class IoBytes:
    """Bytes since the process began, sockets included; its children's too, once it has waited for them."""

    read: int
    written: int

    @property
    def both(self) -> int:
        return self.read + self.written

    @property
    def relayed(self) -> int:
        """Relayed bytes are read once and written once. Reads also count libraries and certificates, writes also count
        output and caches, so the smaller counter is the better estimate."""
        return min(self.read, self.written)


class Counters:
    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def relayed(self) -> int | None:
        """Bytes relayed up to now; thread-safe, as `moved`."""
        moved = self.moved()
        return moved.relayed if moved else None

    def moved(self) -> IoBytes | None:
        """Up to now, or up to the end of a process that has exited and is not reaped; None where nobody tells."""
        try:
            with self._lock:
                if self._descriptor is None:
                    return None
                lines = os.pread(self._descriptor, 4096, 0).decode().splitlines()
            return IoBytes(*(int(line.partition(":")[2]) for line in lines[:2]))
        except (OSError, ValueError, TypeError):
            return None

    def close(self) -> None:
        """From now on `moved` returns None."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


@contextlib.contextmanager
def counters(pid: int) -> Iterator[Counters]:
    """Counters of a process that runs. The file is opened now: of one that has exited only root may open it."""
    try:
        found = Counters(os.open(f"/proc/{pid}/io", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        found = Counters(None)
    try:
        yield found
    finally:
        found.close()
