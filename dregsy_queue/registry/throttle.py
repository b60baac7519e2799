"""Pacing: may delay each request to a registry, and sees each answer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

#: To be called with the status and the headers of the answer.
Observe = Callable[[int, Mapping[str, str]], Awaitable[None]]


class Pacer(Protocol):
    """Holds requests back as limits demand, and learns from what registries answer."""

    def request(self, registry: str) -> AbstractAsyncContextManager[Observe]:
        """Entered when a request to `registry` (as `registry_key` names it) may be sent; around the request.

        Raises: RegistryError on entry, when the wait would be long.
        """


class NoPacing:
    @contextlib.asynccontextmanager
    async def request(self, registry: str) -> AsyncIterator[Observe]:
        async def observe(status: int, headers: Mapping[str, str]) -> None:
            pass

        yield observe
