"""A blob on its way: its digest is checked while it flows, and where it breaks off it goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

from dregsy_queue import backoff
from dregsy_queue.oci.digest import Digest
from dregsy_queue.registry.blobs import Blobs
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.exchange import Incoming
from dregsy_queue.registry.responses import number
from workers.relays.direct.content import hasher

#: Times in a row that a body may break off without a byte more.
STUCK = 4
#: Seconds before it is asked for again, doubled each time in a row.
PAUSE = 0.2


class OtherFormError(RegistryError):
    """The source gives a blob in another form than expected: of `size` bytes (None: it must be asked how many), or
    packed for the way."""

    def __init__(self, error: RegistryError, size: int | None, *, is_packed: bool = False) -> None:
        super().__init__(str(error), kind=error.kind, temporary=error.temporary, registry=error.registry)
        self.size = size
        self.is_packed = is_packed


class Body:
    """One blob of `size` bytes in a source repository.

    `is_packed`: the source packs it for the way, although nobody asked for that. `moved` is called with the bytes of
    each piece. The last piece comes only when the digest is right, so a target never gets the whole of a wrong blob.
    """

    def __init__(
        self,
        source: Blobs,
        repository: str,
        digest: Digest,
        size: int,
        moved: Callable[[int], None] = lambda _: None,
        *,
        is_packed: bool = False,
    ) -> None:
        self._source = source
        self._repository = repository
        self._digest = digest
        self._size = size
        self._moved = moved
        self._read = 0
        self._is_packed = is_packed
        #: the source says that what it sends is packed
        self._may_be_packed = False

    @property
    def size(self) -> int:
        return self._size

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Raises: RegistryError: the source does not give it, or gives something else; OtherFormError."""
        try:
            hashed = hasher(self._digest)
        except ValueError as error:
            raise self._error(str(error), temporary=False) from None
        held, self._read = b"", 0
        async with contextlib.aclosing(self._all()) as pieces:
            async for piece in pieces:
                hashed.update(piece)
                self._moved(len(piece))
                if held:
                    yield held
                held = piece
        if self._read != self._size:
            other = self._unlike(f"it has {self._read} bytes or more, its manifest says {self._size}")
            raise other if isinstance(other, OtherFormError) else OtherFormError(other, None)
        if hashed.hexdigest() != self._digest.encoded:
            raise self._unlike("the registry sent something else than its digest says")
        if held:
            yield held

    # Who stops in the middle closes all that is open at once; left to itself it would be closed some time later.
    async def _all(self) -> AsyncGenerator[bytes, None]:
        # What is packed cannot begin in the middle.
        stuck, from_start = 0, self._is_packed
        while self._read < self._size:
            before, start = self._read, 0 if from_start else self._read
            try:
                async with (
                    self._source.get(self._repository, self._digest, start) as incoming,
                    contextlib.aclosing(self._rest(incoming)) as pieces,
                ):
                    async for piece in pieces:
                        self._read += len(piece)
                        yield piece
                        if self._read > self._size:
                            return
                if self._read < self._size:
                    raise self._error("it broke off")
            except RegistryError as error:
                stuck = 0 if self._read > before else stuck + 1
                if start and not error.temporary and error.kind in ("invalid", "denied", "not-found"):
                    # It may be the part that is refused, as signed addresses do.
                    from_start = True
                    continue
                if not error.temporary or error.kind in ("rate-limited", "invalid") or stuck >= STUCK:
                    raise
                await asyncio.sleep(backoff.delay(PAUSE, stuck + 1))

    async def _rest(self, incoming: Incoming) -> AsyncGenerator[bytes, None]:
        """The bytes still missing; where a registry cannot start in the middle, what is known is skipped."""
        skip = 0
        if incoming.status == 416:
            error = self._error(f"it ends at {self._read} bytes, its manifest says {self._size}")
            raise OtherFormError(error, self._read)
        if incoming.status == 200 and not self._is_packed:
            self._check_length(incoming)
        if self._read and incoming.status == 200:
            skip = self._read
        elif incoming.status == 206 and not incoming.headers.get("Content-Range", "").startswith(
            f"bytes {self._read}-"
        ):
            raise self._error("the registry sent another part of it than was asked for")
        async with contextlib.aclosing(incoming.unpacked() if self._is_packed else incoming.pieces()) as pieces:
            async for piece in pieces:
                if skip >= len(piece):
                    skip -= len(piece)
                    continue
                yield piece[skip:] if skip else piece
                skip = 0

    def _check_length(self, incoming: Incoming) -> None:
        """Raises: OtherFormError, before any of it is sent on."""
        self._may_be_packed = incoming.is_packed
        length = number(incoming.headers.get("Content-Length", ""))
        if length is not None and length != self._size:
            raise self._unlike(f"it has {length} bytes, its manifest says {self._size}", length)

    def _unlike(self, text: str, length: int | None = None) -> RegistryError:
        """`length`: as the source says it, in bytes."""
        error = self._error(text)
        if self._may_be_packed and not self._is_packed:
            return OtherFormError(error, self._size, is_packed=True)
        return error if length is None else OtherFormError(error, length)

    def _error(self, text: str, *, temporary: bool = True) -> RegistryError:
        return RegistryError(
            f"{self._source.registry}: blob {self._digest} of {self._repository}: {text}",
            kind="unavailable" if text == "it broke off" else "invalid",
            temporary=temporary,
            registry=self._source.registry,
        )
