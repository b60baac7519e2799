"""One transfer: copy by the digest that was planned, then see that the target has it."""

from __future__ import annotations

import logging
from dataclasses import replace

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.config.models import SyncTask
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.logs import fields
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.reference import Reference
from dregsy_queue.oci.subset import parse_platforms
from dregsy_queue.planning.comparison import INDEX_BY_DIGEST
from dregsy_queue.planning.platforms import Platforms
from dregsy_queue.registry.client import RegistryClient
from workers.jobs.outcome import Transferred
from workers.meters import Meter
from workers.relays.access import relay_access, relay_reference
from workers.relays.relay import Copy, Relay, RelayError

log = logging.getLogger(__name__)


async def transfer(
    job: TransferJob, task: SyncTask, relay: Relay, access: RegistryAccess, *, attempt: int, meter: Meter
) -> Transferred:
    """Copy one image.

    Raises:
        RelayError: the relay failed, or the target does not have what was copied.
        RegistryError: the target could not be asked.
    """
    client = access.client(task.target)
    target = job.target_reference
    # An earlier attempt may have succeeded, although its outcome was lost.
    if attempt > 1 and not job.referrers and await _digest(client, target) == job.digest:
        return Transferred(job.digest, 0)
    wanted = job.digest
    platforms = tuple(parse_platforms(job.platform))
    several = len(platforms) > 1
    # The index of several platforms does not exist at the source: it is cut out of the one that is there.
    read = job.source_digest if several else job.digest
    copy = Copy(
        source=relay_reference(access, task.source, job.source_reference.by_digest(read)),
        target=relay_reference(access, task.target, target),
        source_access=await relay_access(access, task.source, job.source_reference.repository),
        target_access=await relay_access(access, task.target, target.repository),
        all_platforms=job.platform == "all" or several,
        platforms=platforms if several else (),
        is_read=job.digest != job.source_digest,
        replaces=job.reason != "missing",
        referrers=job.referrers,
        meter=meter,
    )
    await access.prepare_target(task.target, target.repository)
    try:
        copied = await relay.copy(copy)
    except RelayError as error:
        if error.kind != "index":
            raise
        wanted = await _in_index(job, access.client(task.source))
        copy = replace(copy, source=copy.source.by_digest(wanted), is_read=True)
        copied = await relay.copy(copy)
    level = logging.INFO if task.verbose else logging.DEBUG
    for line in copied.output.splitlines():
        log.log(level, "%s", line, extra=fields(task=task.name, relay=job.relay, target=job.target))
    # A Docker daemon writes a manifest of its own, and says which.
    wanted = Digest(copied.digest) if copied.digest else wanted
    if copied.confirmed:
        return Transferred(wanted, copied.sent)
    found = await client.confirm(target.repository, target.short, wanted)
    if found not in (wanted, "missing", "unknown") and not copy.all_platforms and not copy.is_read:
        # Some registries call an index an image when they are asked by HEAD, and skopeo takes one platform of it.
        wanted = await _in_index(job, access.client(task.source))
        if found != wanted != job.digest:
            copied = await relay.copy(replace(copy, source=copy.source.by_digest(wanted), is_read=True))
            found = await client.confirm(target.repository, target.short, wanted)
    if found == "missing":
        raise RelayError(f"{task.target.host} does not show {target} after {wanted} was copied to it")
    if found not in (wanted, "unknown"):
        raise RelayError(f"the target has {found} after {wanted} was copied to it; does somebody else write there?")
    return Transferred(wanted, copied.sent)


async def _in_index(job: TransferJob, source: RegistryClient) -> Digest:
    """What the job's platform is in an index that its registry called an image. Raises: RegistryError, RelayError."""
    if job.target_reference.tag is None:
        raise RelayError(f"{job.source}: {INDEX_BY_DIGEST}", "refused")
    repository = job.source_reference.repository
    return await Platforms(source).child(repository, job.digest, job.platform, name=job.source)


async def _digest(client: RegistryClient, reference: Reference) -> str | None:
    descriptor = await client.head_target(reference.repository, reference.short)
    return descriptor.digest if descriptor else None
