"""The direct relay: an image with all it names goes from registry to registry, on the worker's event loop.

Children go before their index, blobs before their manifest, and every manifest goes byte for byte. Memory: at most
1 MiB per blob under way, and `BIG_AT_ONCE` and the like bound these per process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from dregsy_queue.concurrency import Shared, together
from dregsy_queue.config.models import Config
from dregsy_queue.oci.digest import Digest, is_digest
from dregsy_queue.oci.platform import Platform
from dregsy_queue.oci.subset import subset
from dregsy_queue.registry import responses
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.responses import Answer
from dregsy_queue.settings import Settings
from workers.relays.direct.blob import BlobMover, BlobRepository, Target
from workers.relays.direct.content import ChildManifest, Manifest, parse_manifest, read_manifest
from workers.relays.direct.known import Known
from workers.relays.direct.referrers import ReferrerMover, RepositoryReferrers
from workers.relays.relay import Copy, CopyResult, RelayError
from workers.relays.stalls import StalledError

#: Manifests kept for other tags of the same image: how many, and up to which size in bytes.
KEPT, KEPT_SIZE = 512, 64 * 1024
#: Indexes in indexes that are followed.
DEEPEST = 8
#: Answers to the push of a manifest that name parts which the target does not have (any more, or at this moment).
_MISSING_PARTS = (b"MANIFEST_BLOB_UNKNOWN", b"BLOB_UNKNOWN", b"DIGEST_INVALID", b"MANIFEST_UNKNOWN")


def make(config: Config, settings: Settings) -> DirectRelay:
    return DirectRelay(settings.stalled)


@dataclass
class _Image:
    """One copy under way."""

    source: BlobRepository
    target: Target
    replaces: bool
    #: blobs that the target says it has, and does not know when a manifest names them, are sent all the same
    distrusts: bool = False
    #: bytes that went to the target, and bytes under way: what has to be sent again counts again
    sent: int = 0
    moved: int = 0

    def move(self, number: int) -> None:
        self.moved += number


@dataclass(frozen=True)
class _Pushed:
    #: the target's answer names the digest
    confirmed: bool
    #: the target lists it under the manifest that it refers to
    listed: bool


class DirectRelay:
    kind = "direct"

    def __init__(self, stalled_after: float = 600) -> None:
        """`stalled_after`: seconds after which a blob that does not move is given up."""
        self._known = Known()
        self._mover = BlobMover(self._known, stalled_after)
        self._referrers = ReferrerMover()
        self._kept: OrderedDict[tuple[str, str, str], Manifest] = OrderedDict()
        self._fetches = Shared[tuple[str, str, str], Manifest]()

    async def problem(self) -> str | None:
        return None

    async def copy(self, copy: Copy) -> CopyResult:
        image = _Image(
            BlobRepository(copy.source_access.client.blobs, copy.source.repository),
            Target(
                copy.target_access.client.blobs,
                copy.target.repository,
                copy.others,
                self._known.begun(copy.run) if copy.run else 0.0,
            ),
            copy.replaces,
            copy.distrusts,
        )
        copy.meter.follow(lambda: image.moved)
        try:
            manifest = await self._fetch(image.source, copy.source.short, "")
            if manifest.children and not copy.all_platforms:
                raise RelayError(f"{copy.source} is an index", "index", "source")
            if manifest.children and copy.platforms:
                manifest = self._cut(image.source, manifest, copy.platforms)
            pushed = await self._push(image, manifest, copy.target.short, depth=0)
            if copy.referrers:
                await self._copy_referrers(image, manifest, copy)
        except StalledError as error:
            raise RelayError(str(error), "stalled") from None
        except RegistryError as error:
            if error.kind != "auth":
                raise
            side = "source" if error.registry == image.source.blobs.registry else "target"
            raise RelayError(str(error), "unauthorized", "source" if side == "source" else "target") from None
        # Some registries say that they took a tag which may not be changed, and leave it as it was.
        confirmed = pushed.confirmed and not copy.replaces
        return CopyResult("", manifest.digest, sent=image.sent, confirmed=confirmed)

    async def _push(self, image: _Image, manifest: Manifest, reference: str, *, depth: int) -> _Pushed:
        """Push a manifest and before it all that it names."""
        if depth > DEEPEST:
            raise self._refused(image.source, manifest, f"indexes stand in each other more than {DEEPEST} deep")
        for last in (False, True):
            await self._push_parts(image, manifest, depth, afresh=last and image.distrusts)
            answer = await image.target.blobs.put_manifest(
                image.target.repository, reference, manifest.media_type, manifest.body
            )
            if last or not _parts_are_missing(answer):
                break
            self._forget_parts(image, manifest)
        confirmed = self._accepted(image, manifest, answer)
        return _Pushed(confirmed, listed=answer.headers.get("OCI-Subject", "") == manifest.subject)

    async def _copy_referrers(self, image: _Image, manifest: Manifest, copy: Copy) -> None:
        async def fetch(digest: Digest, media_type: str) -> Manifest:
            return await self._fetch(image.source, digest, media_type)

        async def push(referrer: Manifest) -> bool:
            return (await self._push(image, referrer, referrer.digest, depth=0)).listed

        source = RepositoryReferrers(copy.source_access.client.referrers, image.source.repository)
        target = RepositoryReferrers(copy.target_access.client.referrers, image.target.repository)
        await self._referrers.copy(source, target, manifest, fetch, push)

    def _cut(self, source: BlobRepository, index: Manifest, platforms: Sequence[Platform]) -> Manifest:
        try:
            body = subset(index.body, platforms)
        except ValueError as error:
            raise self._refused(source, index, str(error)) from None
        return parse_manifest(Digest.of(body), index.media_type, body)

    async def _push_parts(self, image: _Image, manifest: Manifest, depth: int, *, afresh: bool = False) -> None:
        async def blob(number: int) -> None:
            # Not in one line: `+=` would read what was sent before the wait.
            one = manifest.blobs[number]
            moved = await self._mover.ensure(image.source, image.target, one, image.move, afresh=afresh)
            image.sent += moved

        async def child(number: int) -> None:
            await self._ensure_child(image, manifest.children[number], depth + 1)

        await self._mover.look_up(image.target, manifest.blobs)
        await together(
            [
                *(blob(number) for number in range(len(manifest.blobs))),
                *(child(number) for number in range(len(manifest.children))),
            ]
        )

    async def _ensure_child(self, image: _Image, child: ChildManifest, depth: int) -> None:
        target = image.target
        if self._known.has(target.key, child.digest, target.since):
            return
        if image.replaces and await target.blobs.has_manifest(target.repository, child.digest):
            self._known.learn(target.key, child.digest)
            return
        manifest = await self._fetch(image.source, child.digest, child.media_type)
        await self._push(image, manifest, child.digest, depth=depth)
        self._known.learn(target.key, child.digest)

    async def _fetch(self, source: BlobRepository, reference: str, media_type: str) -> Manifest:
        """A manifest of the source by its digest, the same one under many tags once; or what a tag names now."""
        key = (source.blobs.registry, source.repository, reference)
        if found := self._kept.get(key):
            self._kept.move_to_end(key)
            return found

        async def fetch() -> Manifest:
            answer = await source.blobs.manifest(source.repository, reference)
            manifest = read_manifest(answer, source.blobs.registry, source.repository, reference, media_type)
            if len(manifest.body) <= KEPT_SIZE and is_digest(reference):
                self._kept[key] = manifest
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return manifest

        return await self._fetches.run(key, fetch)

    def _forget_parts(self, image: _Image, manifest: Manifest) -> None:
        for digest in (*(blob.digest for blob in manifest.blobs), *(child.digest for child in manifest.children)):
            self._known.forget(image.target.key, digest)
        image.replaces = True

    def _accepted(self, image: _Image, manifest: Manifest, answer: Answer) -> bool:
        target = image.target
        what = f"push of {target.repository} {manifest.digest}"
        if answer.status >= 300:
            error = responses.error(answer, target.blobs.registry, what)
            if _parts_are_missing(answer):
                error.temporary = True
            raise error
        # Another one may be that of the registry, or of a cache before it: a look at the target decides.
        return answer.headers.get("Docker-Content-Digest", "") == manifest.digest

    def _refused(self, source: BlobRepository, manifest: Manifest, why: str) -> RegistryError:
        text = f"{source.blobs.registry}: image {source.repository} {manifest.digest}: {why}"
        return RegistryError(text, kind="invalid", temporary=False, registry=source.blobs.registry)


def _parts_are_missing(answer: Answer) -> bool:
    return answer.status in (400, 404) and any(code in answer.body for code in _MISSING_PARTS)
