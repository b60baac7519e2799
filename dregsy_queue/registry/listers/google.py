"""What tags name at Google's registries: their lists of tags tell it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from dregsy_queue.oci.manifests import Descriptor
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.listers.digests import TagDigests
from dregsy_queue.registry.responses import number


@dataclass(frozen=True)
class GoogleDigests:
    """``tags/list`` of Container Registry and Artifact Registry has a map `manifest`: from each digest to its media
    type, its tags, and when it was uploaded."""

    client: RegistryClient

    async def digests(self, repository: str, wanted: Collection[str]) -> Mapping[str, Descriptor]:
        manifests: list[tuple[int, str, str, list[object]]] = []
        await self.client.tags(repository, see=lambda body: manifests.extend(_manifests(body)))
        told = TagDigests()
        for _, digest, media_type, tags in sorted(manifests, key=lambda manifest: manifest[0], reverse=True):
            for tag in tags:
                told.add(tag, digest, media_type)
        return told.digests


def _manifests(body: bytes) -> list[tuple[int, str, str, list[object]]]:
    """When it was uploaded (ms), digest, media type and tags of each; nothing where the answer has none of it."""
    try:
        document: Any = json.loads(body)
        manifests = document["manifest"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    return [
        (_milliseconds(about), str(digest), str(about.get("mediaType", "")), about["tag"])
        for digest, about in manifests
        if isinstance(about, dict) and isinstance(about.get("tag"), list)
    ]


def _milliseconds(about: dict[str, Any]) -> int:
    return number(str(about.get("timeUploadedMs", 0))) or 0
