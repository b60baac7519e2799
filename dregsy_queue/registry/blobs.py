"""What can a registry do with blobs and pushed manifests? One function per request (OCI distribution-spec, "Push")."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from urllib.parse import quote

from yarl import URL

from dregsy_queue.oci.manifests import ACCEPT
from dregsy_queue.oci.reference import api_repository
from dregsy_queue.registry import responses, scopes
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.exchange import Incoming
from dregsy_queue.registry.origins import follow
from dregsy_queue.registry.responses import Answer
from dregsy_queue.registry.transport import Request, Transport

#: By digest any kind is welcome: the digest says that it is the right one.
_ANY = {"Accept": ", ".join((*ACCEPT, "application/vnd.oci.artifact.manifest.v1+json", "*/*"))}
#: Seconds for the body of an answer that is not a blob.
_PATIENCE = 60
#: Makes the pieces of a body, each time that it is sent.
Pieces = Callable[[], AsyncGenerator[bytes, None]]


@dataclass(frozen=True)
class Upload:
    """An upload that a registry has opened."""

    repository: str
    #: where its next request goes
    url: str
    #: bytes that each chunk but the last must have (``OCI-Chunk-Min-Length``); 0: the registry does not say
    least_chunk: int = 0
    #: that is another origin than the registry's, which gets no login
    is_elsewhere: bool = False


class Blobs:
    """Blobs of one registry as seen by one identity. Each call raises RegistryError where no answer comes; answers
    to uploads are the caller's to judge."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.registry = transport.registry
        #: uploads go to the registry's own origin, whatever it calls itself: behind a proxy it may not know its name
        self.uploads_at_home = False

    def room_with(self, other: Blobs) -> AbstractAsyncContextManager[None]:
        """Reserve a request at both registries, for a blob that is read from one while it is sent to the other. Without
        it two copies could wait for each other."""
        return self._transport.room_with(other._transport)

    @contextlib.asynccontextmanager
    async def get(self, repository: str, digest: str, offset: int = 0) -> AsyncIterator[Incoming]:
        """A blob as it comes, from `offset` on where the registry can do that (status 206; 416: it ends before)."""
        name, what = api_repository(self.registry, repository), f"blob {digest} of {repository}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        request = Request("GET", f"/v2/{name}/blobs/{digest}", what, scopes.pull(name), headers)
        async with self._transport.open(request) as incoming:
            if incoming.status not in (200, 206, 416):
                raise responses.error(await self._whole(incoming, what), self.registry, what)
            yield incoming

    async def size(self, repository: str, digest: str) -> int | None:
        """Bytes of a blob; None where there is none. Costs one HEAD."""
        answer = await self._head(repository, digest)
        return (responses.number(answer.headers.get("Content-Length", "")) or 0) if answer else None

    async def has(self, repository: str, digest: str, size: int | None) -> bool:
        """Whether there is such a blob: an answer must name it, or have its `size`, as some answer anything by a web
        page. Costs one HEAD."""
        answer = await self._head(repository, digest)
        if answer is None:
            return False
        length = responses.number(answer.headers.get("Content-Length", ""))
        return answer.headers.get("Docker-Content-Digest", "") == digest or (size is not None and length == size)

    async def _head(self, repository: str, digest: str) -> Answer | None:
        """None: there is no such blob."""
        name = api_repository(self.registry, repository)
        what = f"blob {digest} of {repository}"
        answer = await self._transport.request(Request("HEAD", f"/v2/{name}/blobs/{digest}", what, scopes.pull(name)))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise responses.error(answer, self.registry, what)
        return answer

    async def begin(self, repository: str, digest: str, mount_from: str | None) -> Answer:
        """Open an upload (202), or find that the blob is there already or can be taken from `mount_from` (201).

        Source: OCI distribution-spec, "Mounting a blob from another repository".
        """
        name, scope, query = api_repository(self.registry, repository), "", ""
        if mount_from is not None:
            origin = api_repository(self.registry, mount_from)
            query = f"?mount={quote(digest, safe=':')}&from={quote(origin, safe='')}"
            scope = f" {scopes.pull(origin)}" if origin != name else ""
        path, what = f"/v2/{name}/blobs/uploads/{query}", f"upload to {repository}"
        return await self._transport.request(
            Request("POST", path, what, scopes.push(name) + scope, {"Content-Length": "0"})
        )

    def upload(self, repository: str, answer: Answer) -> Upload | None:
        """The upload that `answer` tells of; None where it names none."""
        location = answer.headers.get("Location", "")
        least = responses.number(answer.headers.get("OCI-Chunk-Min-Length", "")) or 0
        if not location:
            return None
        own = URL(answer.url, encoded=True)
        url = follow(own, location)
        if url is None:
            return None
        if url.host == own.host and url.scheme != own.scheme:
            # A registry behind a proxy that ends TLS may not know by which scheme it was asked.
            url = URL(f"{own.origin()}{url.raw_path_qs}", encoded=True)
        if self.uploads_at_home:
            url = self._transport.at_home(url)
        is_elsewhere = not self._transport.is_at_home(url)
        return Upload(repository, str(url), least, is_elsewhere)

    async def put(self, upload: Upload, digest: str, body: bytes) -> Answer:
        """Send `body` and end the upload."""
        url, headers = _ending(upload, digest), {"Content-Type": "application/octet-stream"}
        return await self._request("PUT", upload, url, headers, body)

    async def put_stream(self, upload: Upload, digest: str, body: Pieces, length: int) -> Answer:
        """The same while the body still comes: `length` bytes. Raises: what `body` raises, too."""
        return await self._stream("PUT", upload, _ending(upload, digest), body, length)

    async def patch_stream(self, upload: Upload, body: Pieces, length: int) -> Answer:
        """Send a whole body; `put` without a body must end the upload."""
        return await self._stream("PATCH", upload, upload.url, body, length)

    async def patch(self, upload: Upload, chunk: bytes, start: int) -> Answer:
        """Send one chunk, which begins at byte `start` of the blob."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{start}-{start + len(chunk) - 1}",
        }
        return await self._request("PATCH", upload, upload.url, headers, chunk)

    async def cancel(self, upload: Upload) -> None:
        """A registry that cannot cancel an upload lets it expire. Raises nothing."""
        request = Request("DELETE", upload.url, f"upload to {upload.repository}", self._scope(upload))
        with contextlib.suppress(RegistryError):
            await self._transport.request(request, tries=1)

    async def manifest(self, repository: str, digest: str) -> Answer:
        """A manifest of any kind by its digest, unchecked. Counts as a pull."""
        name = api_repository(self.registry, repository)
        what = f"image {repository} {digest}"
        path = f"/v2/{name}/manifests/{digest}"
        answer = await self._transport.request(Request("GET", path, what, scopes.pull(name), _ANY))
        if answer.status != 200:
            raise responses.error(answer, self.registry, what)
        return answer

    async def has_manifest(self, repository: str, digest: str) -> bool:
        name = api_repository(self.registry, repository)
        what = f"image {repository} {digest}"
        path = f"/v2/{name}/manifests/{digest}"
        answer = await self._transport.request(Request("HEAD", path, what, scopes.pull(name), _ANY))
        # Some answer anything by a web page.
        return answer.status == 200 and answer.headers.get("Docker-Content-Digest", "") == digest

    async def put_manifest(self, repository: str, reference: str, media_type: str, body: bytes) -> Answer:
        """Push a manifest, byte for byte, under a tag or its digest."""
        name = api_repository(self.registry, repository)
        path, what = f"/v2/{name}/manifests/{reference}", f"push of {repository} {reference}"
        return await self._transport.request(
            Request("PUT", path, what, scopes.push(name), {"Content-Type": media_type}, body)
        )

    async def _stream(self, method: str, upload: Upload, url: str, body: Pieces, length: int) -> Answer:
        failed: list[Exception] = []

        async def watched() -> AsyncIterator[bytes]:
            async with contextlib.aclosing(body()) as pieces:
                try:
                    async for piece in pieces:
                        yield piece
                except Exception as error:
                    failed.append(error)
                    raise

        what, scope = f"upload to {upload.repository}", self._scope(upload)
        headers = {"Content-Length": str(length), "Content-Type": "application/octet-stream"}
        try:
            async with self._transport.open(Request(method, url, what, scope, headers, watched)) as incoming:
                return await self._whole(incoming, what)
        except RegistryError:
            # The connection broke because its body did.
            if failed:
                raise failed[0] from None
            raise

    async def _request(self, method: str, upload: Upload, url: str, headers: dict[str, str], body: bytes) -> Answer:
        what = f"upload to {upload.repository}"
        return await self._transport.request(Request(method, url, what, self._scope(upload), headers, body))

    async def _whole(self, incoming: Incoming, what: str) -> Answer:
        try:
            async with asyncio.timeout(_PATIENCE):
                return Answer(incoming.status, incoming.headers, await incoming.read(), str(incoming.url))
        except TimeoutError:
            text = f"{self.registry}: {what}: no whole answer within {_PATIENCE} s"
            raise RegistryError(text, kind="unavailable", temporary=True, registry=self.registry) from None

    def _scope(self, upload: Upload) -> str:
        return scopes.push(api_repository(self.registry, upload.repository))


def _ending(upload: Upload, digest: str) -> str:
    separator = "&" if "?" in upload.url else "?"
    return f"{upload.url}{separator}digest={quote(digest, safe=':')}"
