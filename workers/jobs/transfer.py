"""One transfer: copy by the digest that was planned, then see that the target has it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.config.models import SyncTask
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.logs import log_fields
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.reference import Reference
from dregsy_queue.oci.subset import parse_platforms
from dregsy_queue.planning.comparison import INDEX_BY_DIGEST
from dregsy_queue.planning.platforms import Platforms
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.looks import Confirmed
from workers.cluster_blobs import ClusterBlobs
from workers.jobs.outcome import Transferred
from workers.meters import Meter
from workers.relays.access import relay_access, relay_reference
from workers.relays.relay import Copy, Relay, RelayError

log = logging.getLogger(__name__)

#: From this attempt on a target's word that it has a blob is not enough, where it then refuses the manifest: that it
#: does not know a blob which another job touches passes before.
_DISTRUSTING = 3


async def transfer(
    job: TransferJob,
    task: SyncTask,
    relay: Relay,
    access: RegistryAccess,
    *,
    attempt: int,
    meter: Meter,
    others: ClusterBlobs | None = None,
    run: str = "",
) -> Transferred:
    """Copy one image. `others`: what other workers know of blobs at targets. `run`: of which run it is.

    Raises:
        RelayError: the relay failed, or the target does not have what was copied.
        RegistryError: the target could not be asked.
    """
    work = _Transfer(job, task, relay, access)
    # An earlier attempt may have succeeded, although its outcome was lost.
    if attempt > 1 and not job.referrers and await work.digest_at_target() == job.digest:
        return Transferred(job.digest, 0)
    copy = replace(await work.prepare(meter, others), run=run, distrusts=attempt >= _DISTRUSTING)
    try:
        done = await work.run(copy, job.digest)
    except (RelayError, RegistryError) as error:
        found = await work.other_source(error)
        if found is None:
            if not error.temporary:
                access.forget_target(task.target, job.target_reference.repository)
            if not error.temporary and not job.referrers and await work.is_at_target():
                # An answer got lost, and the tag may not be pushed again.
                return Transferred(job.digest, 0)
            raise
        wanted, source = found
        copy = replace(copy, source=source, is_read=True)
        done = await work.run(copy, wanted)
    return Transferred(done.digest, done.sent) if done.confirmed else await work.verify(copy, done)


@dataclass(frozen=True)
class _Done:
    """What a relay has copied."""

    digest: Digest
    sent: int | None
    confirmed: bool


class _Transfer:
    """The steps of one transfer."""

    def __init__(self, job: TransferJob, task: SyncTask, relay: Relay, access: RegistryAccess) -> None:
        self._job, self._task, self._relay, self._access = job, task, relay, access
        self._source, self._target = access.client(task.source), access.client(task.target)

    async def digest_at_target(self) -> Digest | None:
        target = self._job.target_reference
        found = await self._target.head_target(target.repository, target.short)
        return found.digest if found else None

    async def is_at_target(self) -> bool:
        """Whether the target has it already, whatever became of this attempt. Raises nothing."""
        try:
            return await self.digest_at_target() == self._job.digest
        except RegistryError:
            return False

    async def prepare(self, meter: Meter, others: ClusterBlobs | None) -> Copy:
        """What the relay is to do; afterwards the target has the repository."""
        job, task, access = self._job, self._task, self._access
        platforms = tuple(parse_platforms(job.platform))
        several = len(platforms) > 1
        # The index of several platforms does not exist at the source: it is cut out of the one that is there.
        read = job.source_digest if several else job.digest
        copy = Copy(
            source=self._at_relay(job.source_reference.by_digest(read)),
            target=relay_reference(access, task.target, job.target_reference),
            source_access=await relay_access(access, task.source, job.source_reference.repository),
            target_access=await relay_access(access, task.target, job.target_reference.repository),
            all_platforms=job.platform == "all" or several,
            platforms=platforms if several else (),
            is_read=job.digest != job.source_digest,
            replaces=job.reason != "missing",
            referrers=job.referrers,
            meter=meter,
            others=others,
        )
        await access.prepare_target(task.target, job.target_reference.repository)
        return copy

    async def other_source(self, error: RelayError | RegistryError) -> tuple[Digest, Reference] | None:
        """What to copy instead, and where that is, after this error; None where there is nothing else.

        Raises: RegistryError, RelayError.
        """
        job = self._job
        if error.kind == "index":
            wanted = await self.in_index()
            return wanted, self._at_relay(job.source_reference.by_digest(wanted))
        source = job.source_reference
        if error.kind not in ("refused", "not-found") or source.tag is None or job.digest != job.source_digest:
            return None
        if await self._source.head(source.repository, job.digest) is not None:
            return None
        # Some caches of registries have an image by its tag alone, and some call it by a digest that is not its own.
        found, _ = await self._source.manifest(source.repository, source.tag)
        return found.digest, self._at_relay(source)

    def _at_relay(self, source: Reference) -> Reference:
        return relay_reference(self._access, self._task.source, source)

    async def run(self, copy: Copy, wanted: Digest) -> _Done:
        """Copy; `wanted`: what the target gets, unless the relay says otherwise, as a Docker daemon does."""
        copied = await self._relay.copy(copy)
        level = logging.INFO if self._task.verbose else logging.DEBUG
        for line in copied.output.splitlines():
            tags = log_fields(task=self._task.name, relay=self._job.relay, target=self._job.target)
            log.log(level, "%s", line, extra=tags)
        return _Done(Digest(copied.digest) if copied.digest else wanted, copied.sent, copied.confirmed)

    async def verify(self, copy: Copy, done: _Done) -> Transferred:
        """See that the target has it. Raises: RelayError: it has something else, or nothing."""
        found = await self._confirm(done)
        if found == "page":
            await self._must_be_registry(done)
            return Transferred(done.digest, done.sent)
        if found not in (done.digest, "missing", "unknown") and not copy.all_platforms and not copy.is_read:
            # Some registries call an index an image when they are asked by HEAD, and skopeo takes one platform of it.
            wanted = await self.in_index()
            done = replace(done, digest=wanted)
            if found != wanted != self._job.digest:
                done = await self.run(replace(copy, source=copy.source.by_digest(wanted), is_read=True), wanted)
                found = await self._confirm(done)
        if found == "missing":
            target = self._job.target_reference
            raise RelayError(f"{self._task.target.host} does not show {target} after {done.digest} was copied to it")
        if found not in (done.digest, "unknown"):
            raise RelayError(
                f"the target has {found} after {done.digest} was copied to it; does somebody else write there?"
            )
        return Transferred(done.digest, done.sent)

    async def _confirm(self, done: _Done) -> Confirmed:
        target = self._job.target_reference
        return await self._target.confirm(target.repository, target.short, done.digest)

    async def _must_be_registry(self, done: _Done) -> None:
        """Who looks at the target sees a web page, so a proxy may have answered pushes by one: skopeo takes that for
        success. Raises: RelayError: it has."""
        target, source = self._job.target_reference, self._job.source_reference
        if not await self._target.is_page():
            try:
                read, body = await self._source.manifest(source.repository, done.digest)
            except RegistryError:
                # The relay made another manifest of it.
                return
            answer = await self._target.blobs.put_manifest(target.repository, target.short, read.media_type, body)
            if answer.status == 201:
                return
        raise RelayError(f"{self._task.target.host} answers pushes by a web page, or the like: {target} is not there")

    async def in_index(self) -> Digest:
        """The platform's manifest in an index that its registry called an image. Raises: RegistryError, RelayError."""
        job = self._job
        if job.target_reference.tag is None:
            raise RelayError(f"{job.source}: {INDEX_BY_DIGEST}", "refused")
        repository = job.source_reference.repository
        return await Platforms(self._source).child(repository, job.digest, job.platform, name=job.source)
