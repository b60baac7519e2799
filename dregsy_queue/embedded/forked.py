"""A child that goes on with what this process has loaded already: for Python code, without a second start of Python."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import IO, NoReturn

from dregsy_queue.clock import SYSTEM, Clock

#: Seconds between two looks whether a child that is to end has ended.
_LOOK = 0.005
#: prctl(2)
_PR_SET_PDEATHSIG = 1


class Forked:
    """A copy of this process that runs one function; to be made while this process has no other thread."""

    def __init__(
        self,
        name: str,
        run: Callable[[], int],
        environment: Mapping[str, str],
        *,
        pipe_errors: bool = False,
        clock: Clock = SYSTEM,
    ) -> None:
        """`run` returns the exit code. `pipe_errors`: its standard error is to be read here, from `stderr`."""
        assert threading.active_count() == 1, "a thread that holds a lock is not copied, but its lock is"
        self.name = name
        self._clock = clock
        self.started = clock.monotonic()
        self.stderr: IO[bytes] | None = None
        self._code: int | None = None
        here, there = os.pipe() if pipe_errors else (None, None)
        # What is loaded stays shared memory, and is never looked through for garbage.
        gc.freeze()
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            _be_child(run, environment, parent, there)
        if here is not None and there is not None:
            os.close(there)
            self.stderr = os.fdopen(here, "rb")

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self._pid, number)

    def end(self, timeout: float) -> None:
        self.send_signal(signal.SIGTERM)
        deadline = self._clock.monotonic() + timeout
        while self.poll() is None:
            if self._clock.monotonic() > deadline:
                self.send_signal(signal.SIGKILL)
            self._clock.pause(_LOOK)


def _be_child(run: Callable[[], int], environment: Mapping[str, str], parent: int, errors: int | None) -> NoReturn:
    """Never returns, so that what the parent does at its end is not done twice."""
    code = 1
    try:
        _leave_parent(parent)
        _use_streams(errors)
        os.environ.clear()
        os.environ.update(environment)
        # found by the parent's environment
        tempfile.tempdir = None
        code = run()
    except SystemExit as ended:
        code = _code_of(ended)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _leave_parent(parent: int) -> None:
    # Ctrl-C on a terminal reaches the parent alone, which ends its children in order.
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _use_streams(errors: int | None) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    if errors is not None:
        os.dup2(errors, 2)


def _code_of(ended: SystemExit) -> int:
    """What Python makes of ``sys.exit(…)``: a text is told, and means 1."""
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    sys.stderr.write(f"{ended.code}\n")
    return 1
