"""What Ctrl-C and SIGTERM do while a command has nothing to put away.

Python's own way is an exception, wherever the process is. In the middle of an import that becomes a traceback or an
ImportError, and sometimes nothing at all.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

_ENDING = (signal.SIGINT, signal.SIGTERM)


def end_at_once() -> None:
    """From now on both signals end this process, with 130 and 143, also as process 1 of a container.

    A signal that the caller wants ignored (``nohup``, ``&`` in a script) stays ignored.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda got, _: os._exit(128 + got))


@contextlib.contextmanager
def as_exceptions() -> Iterator[None]:
    """In here something is to be put away: SIGINT is KeyboardInterrupt, SIGTERM is SystemExit(143)."""

    def leave(number: int, _: object) -> None:
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in _ENDING}
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, leave)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
