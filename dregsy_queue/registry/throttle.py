"""Pacing: may delay each request to a registry, and sees each answer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

#: To be called when an answer has been read, or is not wanted any more.
End = Callable[[], None]


class Observe(Protocol):
    async def __call__(self, status: int, headers: Mapping[str, str], *, elsewhere: bool = False) -> End:
        """To be called with the head of the answer. `elsewhere`: another host gave it, after a redirect."""


class Pacer(Protocol):
    """Holds requests back as limits demand, and learns from what registries answer."""

    def request(self, registry: str, kind: str = "", *, waits: bool = True) -> AbstractAsyncContextManager[Observe]:
        """Entered when a request to `registry` (as `registry_key` names it) may be sent, left with the head of its
        answer; it is under way until what `observe` returned is called.

        `kind`: what requests have in common whose answers begin about as soon as each other's; "": this one's says
        nothing. One that does not wait for others is sent as soon as pauses and rates allow it.

        Raises: RegistryError on entry, when the wait would be long.
        """

    def together(self, registries: Collection[str]) -> AbstractAsyncContextManager[None]:
        """Room for one request at each of these (twice: for two at one), which are sent inside, in each other."""


def nothing() -> None:
    """The end of an answer that nobody waits for."""


class NoPacing:
    @contextlib.asynccontextmanager
    async def request(self, registry: str, kind: str = "", *, waits: bool = True) -> AsyncIterator[Observe]:
        async def observe(status: int, headers: Mapping[str, str], *, elsewhere: bool = False) -> End:
            return nothing

        yield observe

    @contextlib.asynccontextmanager
    async def together(self, registries: Collection[str]) -> AsyncIterator[None]:
        yield
