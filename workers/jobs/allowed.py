"""May this job run here? Jobs come from Redis, and anybody who can write there could ask for any copy. So each is
compared with this worker's own config before a byte moves: a mapping of its task must select the source and lead to the
target.
"""

from __future__ import annotations

from dregsy_queue.config.models import Mapping, SyncTask
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.matching.tags import TagItem
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.oci.reference import Reference, api_repository
from dregsy_queue.planning.companions import is_companion_tag


def why_dropped(task: SyncTask | None, job: TransferJob, relay: str) -> str | None:
    """Why a job cannot run under this config, which may be another than that it was planned by; None when it can.

    `relay`: by which the config copies this task. What ``keep: latest N`` leaves out depends on all tags of a
    repository and is not looked at.
    """
    if task is None:
        return "its task is not in the config any more"
    try:
        source, target = job.source_reference, job.target_reference
    except ValueError as error:
        return str(error)
    for asked, location in ((source, task.source), (target, task.target)):
        if registry_key(asked.registry) != registry_key(location.host):
            return "its task has other registries by now"
    if job.relay != relay:
        return "its task is copied by another relay by now"
    if not any(_leads(mapping, task, source, target, job.platform) for mapping in task.mappings):
        return "no mapping of its task copies this source to this target"
    return None


def _leads(mapping: Mapping, task: SyncTask, source: Reference, target: Reference, platform: str) -> bool:
    if mapping.platform != platform:
        return False
    names = {source.repository}
    if registry_key(task.source.host) == "docker.io":
        # An official image may be written with this, or without.
        names |= {api_repository("docker.io", source.repository), source.repository.removeprefix("library/")}
    led = {mapping.paths.lead(name) for name in names} - {None}
    copied_to = api_repository(target.registry, target.repository)
    if copied_to not in {api_repository(task.target.host, path.lstrip("/")) for path in led if path}:
        return False
    return target.tag in _tags(mapping, source) if target.tag else _pinned(mapping, source, target)


def _tags(mapping: Mapping, source: Reference) -> set[str]:
    """Tags under which the mapping puts this source."""
    if source.digest is None:
        return {source.tag} if source.tag and _may_select(mapping, source.tag) else set()
    # By its digest alone it goes to the target without a tag, or under one that a Docker daemon can push.
    return {item.tag or source.digest.as_tag for item in mapping.tag_set.verbatim if item.digest == source.digest}


def _may_select(mapping: Mapping, tag: str) -> bool:
    return mapping.tag_set.may_select(TagItem(tag)) or (mapping.referrers and is_companion_tag(tag))


def _pinned(mapping: Mapping, source: Reference, target: Reference) -> bool:
    return target.digest == source.digest and TagItem(None, source.digest) in mapping.tag_set.verbatim
