"""Loading much code at once."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """For imports: they create many objects and no garbage, and looking for some costs a tenth of the start-up.

    What has been loaded by then stays, so it is never looked through for garbage again; what comes later is, seldom.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        if collects:
            gc.enable()
