"""aiohttp, loaded without the authorities that it would never use.

At its import aiohttp makes two TLS contexts and reads the system's authorities into each, 50 ms of CPU. Here every
connection gets a context of ours (`tls`), so aiohttp's own stay empty: they would trust nobody.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator

__all__ = ["aiohttp"]


@contextlib.contextmanager
def _without_authorities() -> Iterator[None]:
    # A method of the base class is hidden for a moment.
    ssl.SSLContext.set_default_verify_paths = lambda _: None  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths


with _without_authorities():
    import aiohttp
