"""A blob on its way: its digest is checked while it flows, and where it breaks off it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from dregsy_queue import backoff
from dregsy_queue.oci.digest import Digest
from dregsy_queue.registry.blobs import Blobs
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.exchange import Incoming
from workers.relays.direct.content import hasher

#: Times in a row that a body may break off without a byte more.
STUCK = 4
#: Seconds before it is asked for again, doubled each time in a row.
PAUSE = 0.2


class Body:
    """One blob of `size` bytes in a source repository.

    `moved` is called with the bytes of each piece. The last piece comes only when the digest is right, so a target
    never gets the whole of a wrong blob.
    """

    def __init__(
        self, source: Blobs, repository: str, digest: Digest, size: int, moved: Callable[[int], None] = lambda _: None
    ) -> None:
        self._source = source
        self._repository = repository
        self._digest = digest
        self._size = size
        self._moved = moved
        self._read = 0

    @property
    def size(self) -> int:
        return self._size

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Raises: RegistryError: the source does not give it, or gives something else."""
        try:
            hashed = hasher(self._digest)
        except ValueError as error:
            raise self._error(str(error), temporary=False) from None
        held, self._read = b"", 0
        async for piece in self._all():
            hashed.update(piece)
            self._moved(len(piece))
            if held:
                yield held
            held = piece
        if self._read != self._size:
            raise self._error(f"it has {self._read} bytes or more, its manifest says {self._size}")
        if hashed.hexdigest() != self._digest.encoded:
            raise self._error("the registry sent something else than its digest says")
        if held:
            yield held

    async def _all(self) -> AsyncIterator[bytes]:
        stuck = 0
        while self._read < self._size:
            before = self._read
            try:
                async with self._source.get(self._repository, self._digest, self._read) as incoming:
                    async for piece in self._rest(incoming):
                        self._read += len(piece)
                        yield piece
                if self._read < self._size:
                    raise self._error("it broke off")
            except RegistryError as error:
                stuck = 0 if self._read > before else stuck + 1
                if not error.temporary or error.kind in ("rate-limited", "invalid") or stuck >= STUCK:
                    raise
                await asyncio.sleep(backoff.delay(PAUSE, stuck + 1))
            if self._read > self._size:
                return

    async def _rest(self, incoming: Incoming) -> AsyncIterator[bytes]:
        """The bytes still missing; where a registry cannot start in the middle, what is known is skipped."""
        skip = 0
        if incoming.status == 416:
            raise self._error(f"it ends at {self._read} bytes, its manifest says {self._size}")
        if self._read and incoming.status == 200:
            skip = self._read
        elif incoming.status == 206 and not incoming.headers.get("Content-Range", "").startswith(
            f"bytes {self._read}-"
        ):
            raise self._error("the registry sent another part of it than was asked for")
        async for piece in incoming.pieces():
            if skip >= len(piece):
                skip -= len(piece)
                continue
            yield piece[skip:] if skip else piece
            skip = 0

    def _error(self, text: str, *, temporary: bool = True) -> RegistryError:
        return RegistryError(
            f"{self._source.registry}: blob {self._digest} of {self._repository}: {text}",
            kind="unavailable" if text == "it broke off" else "invalid",
            temporary=temporary,
            registry=self._source.registry,
        )
