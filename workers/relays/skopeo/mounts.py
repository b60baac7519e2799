"""Before skopeo starts, layers that the target registry has in other repositories are mounted: skopeo then skips them.

skopeo itself knows only what it pushed on this machine, and mounts no configs.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.concurrency import Shared, together
from dregsy_queue.ledger.blobs import ImageBlobs
from dregsy_queue.logs import log_fields
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.registry.blobs import Blobs
from dregsy_queue.registry.errors import RegistryError
from workers.cluster_blobs import ClusterBlobs
from workers.relays.direct.content import Manifest, read_manifest
from workers.relays.direct.known import Known, RepositoryKey
from workers.relays.mountable import Barred
from workers.relays.relay import Copy

log = logging.getLogger(__name__)

#: Registries that count manifests which are read, whether their answers say so or not.
_COUNT_PULLS = ("docker.io",)
#: Seconds that all of it may take; skopeo starts then.
PATIENCE = 60.0
#: Mounts of an image under way at once, and most manifests that are read for one.
AT_ONCE, MOST_MANIFESTS = 8, 16
#: After so many refusals in a row, a registry is asked for no mount for so many seconds.
REFUSALS, REFUSED = 5, 3600.0
#: After so many manifests of a source repository were read in vain, none is read for so many seconds.
VAIN, VAIN_FOR = 2, 600.0
#: Pairs of repositories remembered.
_MOST = 10_000


@dataclass
class _Patience:
    """How often something was in vain in a row, and until when it is left alone."""

    vain: int = 0
    until: float = 0.0

    def note(self, good: bool, most: int, until: float) -> None:
        self.vain = 0 if good else self.vain + 1
        if self.vain >= most:
            self.vain, self.until = 0, until


class Mounter:
    """To be used on one event loop."""

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._barred = Barred(clock)
        self._known = Known(clock)
        #: by login
        self._registries = weakref.WeakKeyDictionary[Blobs, _Patience]()
        self._repositories = OrderedDict[tuple[str, str, str, str], _Patience]()
        self._mounts = Shared[tuple[Blobs, str, str], None]()

    async def mount(self, copy: Copy) -> None:
        """Mount what other repositories of the target registry are known to have. Nothing of it makes a copy fail, and
        where nothing is known no registry is asked."""
        if copy.others is None or copy.source.digest is None or copy.platforms:
            return
        try:
            async with asyncio.timeout(PATIENCE):
                await self._mount(copy, copy.others, copy.source.digest)
        except (RegistryError, TimeoutError) as error:
            log.debug("not mounted: %s", error or "it takes too long", extra=log_fields(target=str(copy.target)))

    def learn(self, target: Blobs, repository: str, blobs: Sequence[str]) -> None:
        """A target has these: to mount them again would disturb who pushes a manifest that names them."""
        for blob in blobs:
            self._known.learn(RepositoryKey(target.registry, repository), blob)

    async def _mount(self, copy: Copy, others: ClusterBlobs, digest: Digest) -> None:
        target, repository = copy.target_access.client.blobs, copy.target.repository
        patience = self._registries.setdefault(target, _Patience())
        if self._clock.monotonic() < patience.until:
            return
        image = await others.image(digest, target.registry, copy.source_access.client.registry)
        if not image.may_read:
            await self._mount_all(others, target, repository, image)
            return
        pays = self._pays(copy)
        if pays is not None:
            image = await self._read(copy, others, digest)
            mountable = await self._mount_all(others, target, repository, image)
            pays.note(mountable, VAIN, self._clock.monotonic() + VAIN_FOR)

    async def _mount_all(self, others: ClusterBlobs, target: Blobs, repository: str, image: ImageBlobs) -> bool:
        """Whether there was something to mount."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def mount(blob: str, origin: str) -> None:
            async with limit:
                await self._mounts.run(
                    (target, repository, blob), lambda: self._mount_one(others, target, repository, blob, origin)
                )

        wanted = {
            blob: origin
            for blob, repositories in image.blobs.items()
            if repository not in repositories
            and not self._known.has(RepositoryKey(target.registry, repository), blob)
            and (origin := next((other for other in repositories if not self._barred.is_barred(target, other)), None))
        }
        await together(mount(blob, origin) for blob, origin in wanted.items())
        return bool(wanted)

    async def _mount_one(self, others: ClusterBlobs, target: Blobs, repository: str, blob: str, origin: str) -> None:
        patience = self._registries[target]
        if self._clock.monotonic() < patience.until or self._barred.is_barred(target, origin):
            return
        try:
            answer = await target.begin(repository, blob, origin)
        except RegistryError as error:
            if error.kind != "auth":
                raise
            # Each login has its own rights.
            self._barred.bar(target, origin)
            return
        mounted = answer.status == 201
        patience.note(mounted, REFUSALS, self._clock.monotonic() + REFUSED)
        if mounted:
            self.learn(target, repository, [blob])
            others.note(target.registry, repository, [blob])
        elif upload := target.upload(repository, answer) if answer.status == 202 else None:
            # It is not there, or is not given.
            others.forget(target.registry, blob)
            await target.cancel(upload)
        else:
            self._barred.bar(target, origin)

    def _pays(self, copy: Copy) -> _Patience | None:
        """None: a manifest of this source repository is not to be read for it."""
        source, target = copy.source_access.client.registry, copy.target_access.client.registry
        if registry_key(source) in _COUNT_PULLS:
            return None
        pair = (source, copy.source.repository, target, copy.target.repository)
        patience = self._repositories.pop(pair, None) or _Patience()
        self._repositories[pair] = patience
        if len(self._repositories) > _MOST:
            self._repositories.popitem(last=False)
        return patience if self._clock.monotonic() >= patience.until else None

    async def _read(self, copy: Copy, others: ClusterBlobs, digest: Digest) -> ImageBlobs:
        """What the manifest names, by the source's own word."""
        manifest = await _manifest(copy, digest)
        children = manifest.children if copy.all_platforms else ()
        if len(children) >= MOST_MANIFESTS:
            return ImageBlobs({})
        manifests = [manifest, *await together(_manifest(copy, child.digest) for child in children)]
        blobs = list(dict.fromkeys(str(blob.digest) for found in manifests for blob in found.blobs))
        others.note_image(digest, blobs)
        repositories = await others.find(copy.target_access.client.registry, blobs)
        return ImageBlobs({blob: repositories.get(blob, ()) for blob in blobs})


async def _manifest(copy: Copy, digest: Digest) -> Manifest:
    source = copy.source_access.client.blobs
    answer = await source.manifest(copy.source.repository, digest)
    return read_manifest(answer, source.registry, copy.source.repository, digest)
