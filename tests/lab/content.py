"""Images of every kind, made here, and what a registry has of an image: all its bytes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Protocol

import requests

from tests.lab import images
from tests.lab.images import DOCKER, OCI
from tests.lab.registry import Registry

ANY = f"{OCI['index']}, {OCI['manifest']}, {DOCKER['index']}, {DOCKER['manifest']}"


@dataclass(frozen=True)
class Content:
    """A manifest and all below it."""

    media_type: str
    body: bytes
    #: digest → bytes
    blobs: dict[str, bytes]
    children: tuple[Content, ...]


class Served(Protocol):
    """A registry that can be asked."""

    url: str
    session: requests.Session


def content_of(registry: Served, repository: str, reference: str) -> Content:
    answer = _get(registry, f"/v2/{repository}/manifests/{reference}")
    document = json.loads(answer.content)
    parts = [document.get("config"), *document.get("layers", [])]
    digests = {part["digest"] for part in parts if part}
    return Content(
        answer.headers["Content-Type"],
        answer.content,
        {digest: _get(registry, f"/v2/{repository}/blobs/{digest}").content for digest in digests},
        tuple(content_of(registry, repository, child["digest"]) for child in document.get("manifests", [])),
    )


def push_artifact(registry: Registry, repository: str, tag: str) -> str:
    """An OCI artifact: types that nobody knows, an empty config, annotations, odd spaces."""
    layer = images.push_blob(registry, repository, b"not a tar", "application/vnd.example.data.v1")
    config = images.push_blob(registry, repository, b"{}", "application/vnd.oci.empty.v1+json")
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI["manifest"],
        "artifactType": "application/vnd.example.thing",
        "config": config,
        "layers": [layer, layer],
        "annotations": {"a": "ü"},
    }
    return images.put_manifest(registry, repository, tag, json.dumps(manifest, indent=3).encode(), OCI["manifest"])


def push_nested_index(registry: Registry, repository: str, tag: str) -> str:
    """An index that names an index and an image."""
    inner = images.push_index(
        registry, repository, f"{tag}-inner", platforms=["linux/amd64", "linux/arm64"], media="oci"
    )
    plain = images.push_image(registry, repository, f"{tag}-plain", media="oci", platform="linux/s390x")
    entries = [_entry(registry, repository, inner.digest, OCI["index"])]
    entries.append(_entry(registry, repository, plain, OCI["manifest"]))
    index = {"schemaVersion": 2, "mediaType": OCI["index"], "manifests": entries}
    return images.put_manifest(registry, repository, tag, json.dumps(index).encode(), OCI["index"])


def big_blob(size: int) -> tuple[bytes, str]:
    """`size` bytes that are not all the same, and their digest; made quickly."""
    block = hashlib.sha512(b"lab").digest() * 1024
    body = (block * (size // len(block) + 1))[:size]
    return body, "sha256:" + hashlib.sha256(body).hexdigest()


def push_layers(registry: Registry, repository: str, tag: str, *layers: bytes) -> str:
    """An image of these layers, whatever they are."""
    described = [images.push_blob(registry, repository, layer, OCI["layer"]) for layer in layers]
    config = images.push_blob(registry, repository, b'{"architecture":"amd64","os":"linux"}', OCI["config"])
    manifest = {"schemaVersion": 2, "mediaType": OCI["manifest"], "config": config, "layers": described}
    return images.put_manifest(registry, repository, tag, json.dumps(manifest).encode(), OCI["manifest"])


def _entry(registry: Registry, repository: str, digest: str, media_type: str) -> dict[str, Any]:
    body = _get(registry, f"/v2/{repository}/manifests/{digest}").content
    return {"mediaType": media_type, "digest": digest, "size": len(body)}


def _get(registry: Served, path: str) -> requests.Response:
    answer = registry.session.get(registry.url + path, headers={"Accept": ANY})
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:200]}"
    return answer
