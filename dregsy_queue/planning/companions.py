"""What belongs to an image beside its manifests? Signatures and attestations, where a mapping has `referrers`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dregsy_queue.oci.digest import Digest
from dregsy_queue.registry.client import RegistryClient

#: cosign's tags for what belongs to an image: its digest, and what it is.
_TAG = re.compile(r"(sha256)-([a-f0-9]{64})\.(sig|att|sbom)")
#: distribution-spec, "Referrers Tag Schema".
_LIST = re.compile(r"sha(256|512)-[a-f0-9]{64}")


def companion_tags(tags: Iterable[str]) -> dict[Digest, list[str]]:
    """Which of a repository's tags belong to which image, by its digest. Source: cosign's signature specification."""
    found: dict[Digest, list[str]] = {}
    for tag in tags:
        if match := _TAG.fullmatch(tag):
            found.setdefault(Digest(f"{match[1]}:{match[2]}"), []).append(tag)
    return found


def is_list_of_referrers(tag: str) -> bool:
    """Whether a registry without the referrers API keeps such a list there."""
    return _LIST.fullmatch(tag) is not None


def is_companion_tag(tag: str) -> bool:
    return _TAG.fullmatch(tag) is not None


async def lacks_referrers(
    source: RegistryClient, target: RegistryClient, source_repository: str, target_repository: str, digest: Digest
) -> bool:
    """Whether something refers to an image at the source of which the target does not know. Costs a list at the
    source, and one at the target where that is not empty. Raises: RegistryError."""
    wanted = await source.referrers.of(source_repository, digest)
    if not wanted:
        return False
    present = {entry.digest for entry in await target.referrers.of(target_repository, digest)}
    return any(entry.digest not in present for entry in wanted)
