"""Loading much code at once."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """For imports: they create many objects and no garbage, and looking for some costs a tenth of the start-up."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        look_seldom()
        if collects:
            gc.enable()


def look_seldom() -> None:
    """What has been loaded by now stays, so it is never looked through for garbage again; what comes later is, seldom:
    at Python's own 700 objects that took a planner a quarter of its time, and requests leave hardly any garbage."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
