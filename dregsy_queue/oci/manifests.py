"""Manifests: which kinds there are, and what an index holds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dregsy_queue.oci.digest import Digest, is_digest
from dregsy_queue.oci.platform import IndexEntry, Platform
from dregsy_queue.oci.schema1 import signed_content

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
#: Docker's first schema, signed and not; few registries take it any more.
SCHEMA_1 = (
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
)
#: The kinds that skopeo accepts: another list may make a registry name another digest.
ACCEPT = (
    OCI_MANIFEST,
    DOCKER_MANIFEST,
    *SCHEMA_1,
    DOCKER_LIST,
    OCI_INDEX,
)


_DOCKER = "application/vnd.docker."
#: Most manifests that an index may name here; the biggest known have a few hundred.
MOST_ENTRIES = 10_000


@dataclass(frozen=True)
class Descriptor:
    """What a manifest is: OCI image-spec, "Content Descriptors"."""

    digest: Digest
    media_type: str


def digest_of(body: bytes) -> Digest:
    """The SHA-256 digest of a manifest: of its bytes, or of what is signed in them (schema 1)."""
    return Digest.of(signed_content(body) or body)


def has_digest(body: bytes, digest: Digest) -> bool:
    """Whether a manifest is what `digest` names. Raises: ValueError for an algorithm that is not registered."""
    return digest.names(body) or ((signed := signed_content(body)) is not None and digest.names(signed))


def is_manifest(body: bytes) -> bool:
    """Whether this is a manifest of any kind, not an error or the web page of somebody who wants to be asked first."""
    return document_of(body) is not None


def document_of(body: bytes) -> dict[str, Any] | None:
    """What stands in a manifest of any kind; None: it is none.

    Every kind says what it is, or has a list of what it names; Go writes an empty one as null.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    lists = (document.get(name) for name in ("manifests", "layers", "fsLayers", "blobs"))
    own = document.get("mediaType")
    is_empty = "schemaVersion" in document and not {"manifests", "layers", "config"}.isdisjoint(document)
    says = any(isinstance(value, list) for value in lists) or (isinstance(own, str) and own != "") or is_empty
    return document if says else None


def is_index(media_type: str) -> bool:
    """True for manifests that list others, one per platform."""
    return media_type in (OCI_INDEX, DOCKER_LIST)


def parse_index(body: bytes) -> list[IndexEntry]:
    """The manifests of an index. Raises: ValueError when `body` is not an index."""
    try:
        document = json.loads(body)
        entries = document["manifests"]
        if len(entries) > MOST_ENTRIES:
            raise ValueError
        return [_entry(item) for item in entries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("the registry answered with something that is not an image index") from None


def _entry(item: dict[str, object]) -> IndexEntry:
    platform = item.get("platform")
    parsed = None
    if isinstance(platform, dict):
        parsed = Platform(
            str(platform.get("os", "")),
            str(platform.get("architecture", "")),
            str(platform.get("variant", "")),
        )
    digest = str(item["digest"])
    if not is_digest(digest):
        raise ValueError
    return IndexEntry(Digest(digest), str(item.get("mediaType", "")), parsed)


def media_type_of(body: bytes, said: str) -> str:
    """The type of a manifest by its own word, else as its server `said` (image-spec: ``mediaType`` of the document)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return said
    if not isinstance(document, dict):
        return said
    own = document.get("mediaType")
    if isinstance(own, str) and own in ACCEPT:
        return own
    if said in ACCEPT or (isinstance(own, str) and own):
        return said
    if isinstance(document.get("manifests"), list):
        return OCI_INDEX
    config = document.get("config")
    if isinstance(config, dict) and isinstance(document.get("layers"), list):
        return DOCKER_MANIFEST if str(config.get("mediaType")).startswith(_DOCKER) else OCI_MANIFEST
    return said


def pushed_type(body: bytes, said: str) -> str:
    """The type under which a manifest is pushed: as above, and any other that it has by its own word."""
    found = media_type_of(body, said)
    if found in ACCEPT:
        return found
    document = json.loads(body)
    own = document.get("mediaType") if isinstance(document, dict) else None
    return own if isinstance(own, str) and own else found
