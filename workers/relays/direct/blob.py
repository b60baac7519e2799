"""How does a blob get to a target? Found there, mounted there, or moved there while it still arrives."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from dregsy_queue import backoff
from dregsy_queue.concurrency import Shared
from dregsy_queue.oci.digest import Digest
from dregsy_queue.registry import responses
from dregsy_queue.registry.blobs import Blobs, Upload
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.responses import Answer
from workers.cluster_blobs import ClusterBlobs
from workers.relays.direct.body import Body, OtherFormError
from workers.relays.direct.content import Blob
from workers.relays.direct.known import Known, RepositoryKey
from workers.relays.direct.manners import CHUNKS, MIB, Manners, Way
from workers.relays.mountable import Barred
from workers.relays.stalls import SLOWEST, StalledError

#: A blob of at most so many bytes is read whole before it is sent, so that the request can be repeated.
SMALL = 256 * 1024
#: Blobs that a process moves at once. A big one takes one connection at each end, and at most 1 MiB of memory (if
#: chunked: its chunk). A registry that is source and target has connections enough for all big ones.
BIG_AT_ONCE, SMALL_AT_ONCE, CHUNKED_AT_ONCE = 12, 96, 4
#: A blob of at least so many bytes is looked for first at a registry whose answers to uploads do not tell.
WORTH_ASKING = MIB
#: A blob of at least so many bytes is moved by one worker while the others wait; moving less twice costs less.
WORTH_WAITING = MIB
#: Attempts at one blob, beside those of its job.
TRIES, PAUSE = 3, 0.5
#: The last attempt at a blob that is bigger: common proxies take so much.
PIECES = Way("chunks", CHUNKS.index(MIB))
#: Ways of sending that are tried before giving up, and forms in which a source gives a blob.
MOST_LESSONS, MOST_FORMS = 6, 4


@dataclass(frozen=True)
class BlobRepository:
    """A repository of one registry, to be read or written."""

    blobs: Blobs
    repository: str


@dataclass(frozen=True)
class Target(BlobRepository):
    """`others`: what other workers know of this registry's blobs; None: there are no others. `since`: what it was seen
    to have before that does not count."""

    others: ClusterBlobs | None = None
    since: float = 0.0

    @property
    def key(self) -> RepositoryKey:
        return RepositoryKey(self.blobs.registry, self.repository)


class LearnedError(Exception):
    """A registry refused a way of sending, and the next attempt will take another; `error`: what it said."""

    def __init__(self, error: RegistryError) -> None:
        super().__init__(str(error))
        self.error = error


class BlobMover:
    """Makes sure of blobs at targets; to be used on one event loop.

    However many jobs want a blob at once, it moves once per target registry: one leads, the others mount it; a big one
    once for all workers.
    """

    def __init__(self, known: Known, stalled_after: float) -> None:
        self._known = known
        self._stalled_after = stalled_after
        self._manners: defaultdict[str, Manners] = defaultdict(Manners)
        self._calls = Shared[tuple[RepositoryKey, str], int]()
        self._barred = Barred()
        self._leading = weakref.WeakValueDictionary[tuple[str, str], asyncio.Lock]()
        self._big = asyncio.Semaphore(BIG_AT_ONCE)
        self._small = asyncio.Semaphore(SMALL_AT_ONCE)
        self._chunked = asyncio.Semaphore(CHUNKED_AT_ONCE)

    async def look_up(self, target: Target, blobs: Sequence[Blob]) -> None:
        """Ask other workers where these blobs are, before they are wanted."""
        registry = target.blobs.registry
        unknown = [
            blob.digest
            for blob in blobs
            if not self._known.has(target.key, blob.digest, target.since)
            and self._known.where(registry, blob.digest) is None
        ]
        if target.others is not None and unknown:
            for digest, repositories in (await target.others.find(registry, unknown)).items():
                self._known.hear(registry, digest, repositories)

    async def ensure(
        self,
        source: BlobRepository,
        target: Target,
        blob: Blob,
        tell: Callable[[int], None] = lambda _: None,
        *,
        afresh: bool = False,
    ) -> int:
        """Returns the bytes that this caller moved; `tell` is called with the bytes of each piece. `afresh`: it is sent
        whatever the target says of it.

        Raises: RegistryError, StalledError.
        """
        led = False

        async def call() -> int:
            nonlocal led
            led = True
            if afresh:
                return await self._move(source, target, blob, tell, afresh=True)
            return await self._ensure(source, target, blob, tell)

        while not self._known.has(target.key, blob.digest, target.since):
            try:
                moved = await self._calls.run((target.key, blob.digest), call)
                return moved if led else 0
            except (RegistryError, StalledError):
                # The job that led may have read the blob elsewhere: its failure says nothing about this source.
                if led:
                    raise
        return 0

    async def _ensure(self, source: BlobRepository, target: Target, blob: Blob, tell: Callable[[int], None]) -> int:
        key = (target.blobs.registry, blob.digest)
        if self._known.where(*key) is None:
            lock = self._leading.setdefault(key, asyncio.Lock())
            async with lock:
                if self._known.where(*key) is None:
                    async with self._alone(target, blob):
                        return await self._move(source, target, blob, tell)
        return await self._move(source, target, blob, tell)

    @contextlib.asynccontextmanager
    async def _alone(self, target: Target, blob: Blob) -> AsyncIterator[None]:
        """Around the move of a blob: waits while another worker moves it to this registry."""
        registry, digest = target.blobs.registry, blob.digest
        if target.others is None or (blob.size or 0) < WORTH_WAITING or self._known.told(registry, digest):
            yield
            return
        async with target.others.leading(registry, target.repository, digest) as repositories:
            if repositories:
                self._known.hear(registry, digest, repositories)
            yield

    async def _move(
        self,
        source: BlobRepository,
        target: Target,
        blob: Blob,
        tell: Callable[[int], None],
        *,
        afresh: bool = False,
    ) -> int:
        tries, lessons, passed, is_packed = 0, 0, 0, False
        #: why small pieces are tried in the end, whatever way is usual there; and what another host said to an upload
        broken: RegistryError | None = None
        elsewhere: RegistryError | None = None

        def count(number: int) -> None:
            nonlocal passed
            passed += number
            tell(number)

        while True:
            upload: Upload | None = None
            try:
                upload = await self._begin(source, target, blob, afresh=afresh)
                # Where an answer got lost, the target has what an earlier try has sent.
                way = PIECES if broken else self._manners[target.blobs.registry].way
                moved = await self._send(source, target, blob, upload, way, count, is_packed) if upload else passed
                if broken and upload:
                    self._manners[target.blobs.registry].way = PIECES
                self._known.learn(target.key, blob.digest)
                if target.others is not None:
                    target.others.note(target.blobs.registry, target.repository, [blob.digest])
                return moved if blob.size is None else min(moved, blob.size)
            except LearnedError as lesson:
                lessons += 1
                if lessons > MOST_LESSONS:
                    raise lesson.error from None
            except OtherFormError as other:
                # Manifests may be wrong about sizes, and proxies may pack what nobody asked them to.
                lessons += 1
                if lessons > MOST_FORMS:
                    raise
                blob, is_packed = replace(blob, size=other.size), is_packed or other.is_packed
            except RegistryError as error:
                tries += 1
                if broken:
                    raise broken from None
                if elsewhere:
                    target.blobs.uploads_at_home = False
                    raise elsewhere from None
                if upload and _is_lost(upload, error, source) and (tries >= TRIES or not error.temporary):
                    # A registry behind a proxy may call itself by a name that is not reached, or gets no login.
                    target.blobs.uploads_at_home, elsewhere = True, error
                    continue
                if not error.temporary or error.kind == "rate-limited" or error.retry_after:
                    raise
                if tries >= TRIES:
                    if (blob.size or 0) <= MIB:
                        raise
                    # Some proxies hang up on what is too big for them, and say nothing.
                    broken = error
                await asyncio.sleep(backoff.delay(PAUSE, tries))

    async def _begin(
        self, source: BlobRepository, target: Target, blob: Blob, *, afresh: bool = False
    ) -> Upload | None:
        """An open upload; None when the target has the blob, or took it from another repository."""
        blobs, repository = target.blobs, target.repository
        manners = self._manners[blobs.registry]
        origin = self._origin(source, target, blob)
        answer = await self._post(target, blob, origin if manners.mounts and not afresh else None)
        if answer.status == 201 and not afresh:
            if _names(answer, blob.digest) or await self._is_there(target, blob):
                manners.tells |= origin == repository
                return None
            # It says that it has a blob, and neither where nor when it is asked again.
            manners.mounts = False
            answer = await target.blobs.begin(repository, blob.digest, None)
        upload = blobs.upload(repository, answer) if answer.status in (201, 202) else None
        if upload is None:
            raise responses.error(answer, blobs.registry, f"upload to {repository}")
        if self._known.told(blobs.registry, blob.digest):
            self._known.disbelieve(blobs.registry, blob.digest)
            if target.others is not None:
                target.others.forget(blobs.registry, blob.digest)
        if afresh:
            return upload
        if not manners.tells and (blob.size or 0) >= WORTH_ASKING and await self._is_there(target, blob):
            await blobs.cancel(upload)
            return None
        return upload

    def _origin(self, source: BlobRepository, target: Target, blob: Blob) -> str:
        """The repository of the target registry that is most likely to have the blob, and lets this login read it."""
        registry, repository = target.blobs.registry, target.repository
        known, told = self._known.where(registry, blob.digest), self._known.told(registry, blob.digest)
        own = source.repository if source.blobs.registry == registry else repository
        found = [known] if known else [repository] if repository in told else [*told]
        return next((origin for origin in found if not self._barred.is_barred(target.blobs, origin)), own)

    async def _is_there(self, target: BlobRepository, blob: Blob) -> bool:
        manners = self._manners[target.blobs.registry]
        if not manners.heads:
            return False
        try:
            return await target.blobs.has(target.repository, blob.digest, blob.size)
        except RegistryError as error:
            if error.temporary:
                raise
            manners.heads = False
            return False

    async def _post(self, target: BlobRepository, blob: Blob, origin: str | None) -> Answer:
        """Ask to mount; a registry that cannot do it, or does not let this login, gets a plain request."""
        try:
            answer = await target.blobs.begin(target.repository, blob.digest, origin)
        except RegistryError as error:
            if origin is None or error.kind in ("rate-limited", "tls"):
                raise
            if error.kind != "unavailable" and origin != target.repository:
                # The login may not reach as far as `origin`.
                self._barred.bar(target.blobs, origin)
                return await self._post(target, blob, target.repository)
        else:
            # What else a registry says to a mount, skopeo takes for no, too.
            if origin is None or answer.status == 201 or target.blobs.upload(target.repository, answer) is not None:
                return answer
            if origin != target.repository:
                self._barred.bar(target.blobs, origin)
        plain = await target.blobs.begin(target.repository, blob.digest, None)
        if plain.status == 202 and origin == target.repository:
            self._manners[target.blobs.registry].mounts = False
        return plain

    async def _send(
        self,
        source: BlobRepository,
        target: BlobRepository,
        blob: Blob,
        upload: Upload,
        way: Way,
        tell: Callable[[int], None],
        is_packed: bool,
    ) -> int:
        size = blob.size
        if size is None:
            size = await _size(source, blob.digest)
        if size <= SMALL:
            async with self._small, self._stall_guard(size, tell) as moved:
                body = Body(source.blobs, source.repository, blob.digest, size, moved, is_packed=is_packed)
                whole = b"".join([piece async for piece in body.pieces()])
                answer = await self._put(way, target, upload, blob.digest, whole)
        else:
            async with self._big, source.blobs.room_with(target.blobs), self._stall_guard(size, tell) as moved:
                body = Body(source.blobs, source.repository, blob.digest, size, moved, is_packed=is_packed)
                answer = await self._stream(way, target, upload, blob.digest, body)
        self._judge(way, target, blob, answer)
        if answer.status != 201 and not await self._is_taken(target, replace(blob, size=size), answer):
            raise responses.error(answer, target.blobs.registry, f"blob {blob.digest} to {target.repository}")
        return size

    async def _is_taken(self, target: BlobRepository, blob: Blob, answer: Answer) -> bool:
        """Whether an odd answer to the end of an upload means that the target has the blob; a login page does not."""
        if responses.is_page(answer):
            return False
        named = answer.headers.get("Docker-Content-Digest", "") == blob.digest
        return named or await self._is_there(target, blob) or not self._manners[target.blobs.registry].heads

    async def _put(self, way: Way, target: BlobRepository, upload: Upload, digest: str, body: bytes) -> Answer:
        if way.kind == "put" or not body:
            return await target.blobs.put(upload, digest, body)
        answer = await target.blobs.patch(upload, body, 0)
        if answer.status >= 300:
            return answer
        return await target.blobs.put(target.blobs.upload(target.repository, answer) or upload, digest, b"")

    async def _stream(self, way: Way, target: BlobRepository, upload: Upload, digest: str, body: Body) -> Answer:
        blobs = target.blobs
        if way.kind == "put":
            answer = await blobs.put_stream(upload, digest, body.pieces, body.size)
            self._manners[blobs.registry].sent += answer.status < 300
            return answer
        if way.kind == "patch":
            answer = await blobs.patch_stream(upload, body.pieces, body.size)
        else:
            async with self._chunked:
                upload, answer = await _chunks(target, upload, body, way.chunk_size(upload))
        if answer.status >= 300:
            return answer
        return await blobs.put(blobs.upload(target.repository, answer) or upload, digest, b"")

    def _judge(self, way: Way, target: BlobRepository, blob: Blob, answer: Answer) -> None:
        if answer.status < 300:
            return
        what = f"blob {blob.digest} to {target.repository}"
        self._manners[target.blobs.registry].learn(answer, way, target.blobs.registry, what)
        raise LearnedError(responses.error(answer, target.blobs.registry, what))

    @contextlib.asynccontextmanager
    async def _stall_guard(self, size: int, tell: Callable[[int], None]) -> AsyncIterator[Callable[[int], None]]:
        """Gives what must be called whenever bytes of a body of `size` move; ends what is under way when too few do."""
        loop = asyncio.get_running_loop()
        enough, left, since = SLOWEST * self._stalled_after, size, 0

        def moved(number: int) -> None:
            nonlocal left, since
            left, since = left - number, since + number
            # After the last byte the target has the whole time to answer.
            if since >= enough or left <= 0:
                limit.reschedule(loop.time() + self._stalled_after)
                since = 0
            tell(number)

        try:
            async with asyncio.timeout(self._stalled_after) as limit:
                yield moved
        except TimeoutError:
            if limit.expired():
                raise StalledError(self._stalled_after) from None
            raise


def _names(answer: Answer, digest: Digest) -> bool:
    """Whether an answer says where the blob is, as it must where that is there (distribution-spec, "Mounting")."""
    return digest in (answer.headers.get("Docker-Content-Digest", ""), _last(answer.headers.get("Location", "")))


def _last(location: str) -> str:
    return unquote(location.partition("?")[0]).rpartition("/")[2]


def _is_lost(upload: Upload, error: RegistryError, source: BlobRepository) -> bool:
    """Whether it may be another host's fault that an upload failed."""
    return upload.is_elsewhere and error.kind != "rate-limited" and error.registry != source.blobs.registry


async def _size(source: BlobRepository, digest: Digest) -> int:
    """Bytes of a blob whose manifest does not say. Raises: RegistryError."""
    try:
        if size := await source.blobs.size(source.repository, digest):
            return size
    except RegistryError as error:
        if error.kind in ("rate-limited", "tls"):
            raise
    # A HEAD does not tell.
    async with source.blobs.get(source.repository, digest) as incoming:
        length = responses.number(incoming.headers.get("Content-Length", ""))
        return length if length is not None else sum([len(piece) async for piece in incoming.pieces()])


async def _chunks(target: BlobRepository, upload: Upload, body: Body, size: int) -> tuple[Upload, Answer]:
    """Send a body in chunks of `size` bytes; returns where to end the upload, and the last answer."""
    gathered, start = bytearray(), 0

    async def send() -> Answer:
        nonlocal upload, start
        chunk = bytes(gathered[:size])
        answer = await target.blobs.patch(upload, chunk, start)
        start += len(chunk)
        del gathered[:size]
        upload = target.blobs.upload(target.repository, answer) or upload
        return answer

    async with contextlib.aclosing(body.pieces()) as pieces:
        async for piece in pieces:
            gathered += piece
            while len(gathered) > size:
                if (answer := await send()).status >= 300:
                    return upload, answer
    return upload, await send()
