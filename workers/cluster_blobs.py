"""Where are blobs at target registries, and which worker moves one while others wait? Shared through Redis."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from redis import RedisError

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.ledger.blobs import LEASE, BlobIndex, ImageBlobs, Lead, Seen
from dregsy_queue.oci.hosts import registry_key

T = TypeVar("T")

#: Registries and digests, and where the repositories of each go.
_Question = tuple[list[tuple[str, str]], asyncio.Future[list[tuple[str, ...]]]]

#: Seconds between two writes of what was seen, for all images together.
EVERY = 0.1
#: Seconds between two looks at a blob that somebody else moves.
LOOK = 0.5
#: After an error Redis is not asked for so many seconds: nothing here is worth a wait.
REST = 5.0
#: Blobs and images that wait to be told; what comes beyond is not remembered.
MOST_WAITING = 20_000


class ClusterBlobs:
    """To be used on one event loop. Where Redis does not answer, nothing is known and nobody is waited for.

    Images that ask at the same time are answered by one call of Redis.
    """

    def __init__(self, index: BlobIndex, clock: Clock = SYSTEM) -> None:
        self._index, self._clock = index, clock
        self._rests_until = 0.0
        self._asked: list[_Question] = []
        #: used as ordered sets
        self._seen: dict[Seen, None] = {}
        self._images: dict[str, Sequence[str]] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._asking = self._telling = False

    async def find(self, registry: str, digests: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Repositories of `registry` that have these blobs, the newest first; blobs that nobody knows are left out."""
        if not digests or self._rests():
            return {}
        name = registry_key(registry)
        future = asyncio.get_running_loop().create_future()
        self._asked.append(([(name, digest) for digest in digests], future))
        if not self._asking:
            self._asking = True
            self._spawn(self._ask())
        return {digest: found for digest, found in zip(digests, await future, strict=True) if found}

    async def image(self, manifest: str, target: str, source: str) -> ImageBlobs:
        """See `BlobIndex.image`."""
        names = registry_key(target), registry_key(source)
        return await self._try(lambda: self._index.image(manifest, *names), ImageBlobs({}))

    def note(self, registry: str, repository: str, digests: Sequence[str]) -> None:
        """A repository has these blobs; Redis is told soon."""
        if len(self._seen) < MOST_WAITING:
            name = registry_key(registry)
            self._seen |= dict.fromkeys(Seen(name, repository, digest) for digest in digests)
            self._tell_soon()

    def note_image(self, manifest: str, blobs: Sequence[str]) -> None:
        """A manifest names these blobs, directly or by the manifests in it; Redis is told soon."""
        if len(self._images) < MOST_WAITING:
            self._images[manifest] = blobs
            self._tell_soon()

    def forget(self, registry: str, digest: str) -> None:
        """A blob was not where it was said to be."""

        async def forget() -> None:
            await self._try(lambda: self._index.forget(registry_key(registry), digest), None)

        self._spawn(forget())

    @contextlib.asynccontextmanager
    async def leading(self, registry: str, repository: str, digest: str) -> AsyncIterator[tuple[str, ...]]:
        """Around the move of a blob to a repository. Waits while somebody else moves it to that registry, and gives the
        repositories that have it then; none: it is for the caller to move it. A mover that is killed is waited for
        until its lease ends."""
        name, holder = registry_key(registry), secrets.token_hex(6)
        while (lead := await self._lead(name, digest, holder)) == "taken":
            await self._clock.sleep(LOOK)
        if lead != "mine":
            yield lead
            return
        renewal = asyncio.create_task(self._renew(name, digest, holder))
        seen: list[Seen] = []
        try:
            yield ()
            seen.append(Seen(name, repository, digest))
        finally:
            renewal.cancel()
            self._spawn(self._end_lead(name, digest, holder, seen))

    async def aclose(self) -> None:
        """Tell Redis the rest, and give leases back; takes a second or two at most where Redis does not answer."""
        await self.flush()
        if self._work:
            _, late = await asyncio.wait(self._work, timeout=1)
            for task in late:
                task.cancel()

    async def flush(self) -> None:
        """Tell Redis now what was seen."""
        seen, images = list(self._seen), list(self._images.items())
        self._seen, self._images = {}, {}

        def tell() -> None:
            self._index.note(seen)
            self._index.note_image(images)

        if seen or images:
            await self._try(tell, None)

    async def _ask(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                await self._answer(asked)
        finally:
            self._asking = False

    async def _answer(self, asked: Sequence[_Question]) -> None:
        """Nobody waits for ever: an unexpected error is that of all who asked."""
        try:
            found = iter(await self._find([one for some, _ in asked for one in some]))
            answers: list[list[tuple[str, ...]] | Exception] = [[next(found) for _ in some] for some, _ in asked]
        except Exception as error:
            answers = [error] * len(asked)
        for (_, future), answer in zip(asked, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    async def _find(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
        nothing: list[tuple[str, ...]] = [()] * len(wanted)
        return await self._try(lambda: self._index.find(wanted), nothing)

    def _tell_soon(self) -> None:
        async def tell() -> None:
            while self._seen or self._images:
                await self._clock.sleep(EVERY)
                await self.flush()
            self._telling = False

        if not self._telling:
            self._telling = True
            self._spawn(tell())

    async def _lead(self, registry: str, digest: str, holder: str) -> Lead:
        return await self._try(lambda: self._index.lead(registry, digest, holder), ())

    async def _renew(self, registry: str, digest: str, holder: str) -> None:
        while True:
            await self._clock.sleep(LEASE / 3)
            await self._lead(registry, digest, holder)

    async def _end_lead(self, registry: str, digest: str, holder: str, seen: Sequence[Seen]) -> None:
        def end() -> None:
            self._index.note(seen)
            self._index.end_lead(registry, digest, holder)

        await self._try(end, None)

    def _rests(self) -> bool:
        return self._clock.monotonic() < self._rests_until

    async def _try(self, call: Callable[[], T], otherwise: T) -> T:
        if self._rests():
            return otherwise
        try:
            return await asyncio.to_thread(call)
        except (RedisError, OSError):
            self._rests_until = self._clock.monotonic() + REST
            return otherwise

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
