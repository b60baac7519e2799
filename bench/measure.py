"""What does one call of a program cost? Time, CPU, memory of the whole process tree, and requests at registries."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.lab.registry import LoggedRequest, Registry

#: Seconds between two looks at the memory of the tree.
_LOOK = 0.1


@dataclass(frozen=True)
class Cost:
    seconds: float
    #: user and system, of the program and all that it waited for
    cpu: float
    #: most of the whole tree at once, in MiB, as far as a look each tenth of a second sees it
    peak: float
    #: kind → number, at the source and at the target, by their own access logs
    source: dict[str, int]
    target: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def cost_of(command: Sequence[str], folder: Path, source: Registry, target: Registry) -> Cost:
    """Run `command` to its end. Raises: RuntimeError: it failed."""
    before = len(source.requests()), len(target.requests())
    log = folder / "bench.log"
    environment = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder)}
    with log.open("w") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        memory = _Memory(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = memory.end()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {log.read_text()[-500:]}")
    counted = [_kinds(registry.requests()[skip:]) for registry, skip in zip((source, target), before, strict=True)]
    return Cost(seconds, usage.ru_utime + usage.ru_stime, peak, *counted)


class _Memory:
    """Looks at a process tree until told to end."""

    def __init__(self, pid: int) -> None:
        self._root, self._peak = psutil.Process(pid), 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> float:
        self._ended.set()
        self._thread.join()
        return self._peak / 2**20

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK):
            total = 0
            with contextlib.suppress(psutil.Error):
                for process in (self._root, *self._root.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        total += process.memory_info().rss
            self._peak = max(self._peak, total)


def _kinds(requests: Sequence[LoggedRequest]) -> dict[str, int]:
    return dict(Counter(f"{request.method} {_what(request.path)}" for request in requests))


def _what(path: str) -> str:
    return next(
        (word for word in ("manifests", "uploads", "blobs", "tags", "_catalog") if f"/{word}/" in f"{path}/"), "/v2/"
    )
