"""How many bytes is an image? Asked by GET, which registries count as pulls."""

from __future__ import annotations

import json

from dregsy_queue.oci.manifests import is_index, parse_index
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.errors import RegistryError


async def image_size(client: RegistryClient, repository: str, digest: str) -> int | None:
    """Bytes of all that the manifest names, each blob once, as they travel; None when the registry does not tell."""
    try:
        blobs = await _blobs(client, repository, digest, depth=2)
    except (RegistryError, ValueError):
        return None
    return sum(blobs.values())


async def _blobs(client: RegistryClient, repository: str, digest: str, depth: int) -> dict[str, int]:
    found, body = await client.manifest(repository, digest)
    if is_index(found.media_type):
        blobs: dict[str, int] = {}
        for entry in parse_index(body) if depth else []:
            blobs |= await _blobs(client, repository, entry.digest, depth - 1)
        return blobs
    return parse_blobs(body)


def parse_blobs(body: bytes) -> dict[str, int]:
    """Digest → bytes of config and layers. Raises: ValueError when `body` is not an image manifest."""
    try:
        document = json.loads(body)
        parts = [document["config"], *document["layers"]]
        return {str(part["digest"]): int(part["size"]) for part in parts}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("the registry answered with something that is not an image manifest") from None
