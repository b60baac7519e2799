"""Images made here and pushed over the distribution API: real layers and configs, the same for the same seed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests

from tests.lab.registry import Registry

DOCKER = {
    "manifest": "application/vnd.docker.distribution.manifest.v2+json",
    "index": "application/vnd.docker.distribution.manifest.list.v2+json",
    "config": "application/vnd.docker.container.image.v1+json",
    "layer": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
OCI = {
    "manifest": "application/vnd.oci.image.manifest.v1+json",
    "index": "application/vnd.oci.image.index.v1+json",
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar+gzip",
}
KINDS = {"docker": DOCKER, "oci": OCI}


@dataclass(frozen=True)
class PushedIndex:
    digest: str
    #: platform → digest of its manifest
    children: dict[str, str]


def push_image(
    registry: Registry,
    repository: str,
    tag: str,
    *,
    size: int = 1024,
    layers: int = 1,
    seed: str = "",
    media: str = "docker",
    platform: str = "linux/amd64",
) -> str:
    """Push an image of about `size` bytes in all; returns its digest."""
    manifest = _push_parts(registry, repository, size, layers, seed or f"{repository}:{tag}", media, platform)
    return put_manifest(registry, repository, tag, manifest, KINDS[media]["manifest"])


def push_index(
    registry: Registry,
    repository: str,
    tag: str,
    *,
    platforms: Sequence[str],
    size: int = 1024,
    seed: str = "",
    media: str = "docker",
) -> PushedIndex:
    """Push one image per platform and an index of them."""
    kinds, children, entries = KINDS[media], {}, []
    for platform in platforms:
        own = f"{seed or f'{repository}:{tag}'} {platform}"
        manifest = _push_parts(registry, repository, size, 1, own, media, platform)
        digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
        put_manifest(registry, repository, digest, manifest, kinds["manifest"])
        children[platform] = digest
        system, architecture, *variant = platform.split("/")
        described = {"os": system, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
        entry = {"mediaType": kinds["manifest"], "size": len(manifest), "digest": digest, "platform": described}
        entries.append(entry)
    index = {"schemaVersion": 2, "mediaType": kinds["index"], "manifests": entries}
    return PushedIndex(put_manifest(registry, repository, tag, _json(index), kinds["index"]), children)


def push_many(registry: Registry, repository: str, tags: Sequence[str], *, size: int = 512) -> dict[str, str]:
    """Push a small image per tag, several at once; returns tag → digest."""
    with ThreadPoolExecutor(8) as pool:
        digests = pool.map(lambda tag: push_image(registry, repository, tag, size=size), tags)
        return dict(zip(tags, digests, strict=True))


def tag_many(registry: Registry, repository: str, tags: Sequence[str]) -> None:
    """Push one small image under many tags."""
    manifest = _push_parts(registry, repository, 512, 1, repository, "docker", "linux/amd64")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda tag: put_manifest(registry, repository, tag, manifest, DOCKER["manifest"]), tags))


def _push_parts(
    registry: Registry, repository: str, size: int, layers: int, seed: str, media: str, platform: str
) -> bytes:
    kinds, described, diff_ids = KINDS[media], [], []
    for number in range(layers):
        tar = _tar(max(1, size // layers), f"{seed} {number}")
        # Level 1 of gzip: random bytes do not shrink, and time is better spent elsewhere.
        blob = gzip.compress(tar, 1, mtime=0)
        diff_ids.append("sha256:" + hashlib.sha256(tar).hexdigest())
        described.append(push_blob(registry, repository, blob, kinds["layer"]))
    system, architecture, *variant = platform.split("/")
    config: dict[str, Any] = {
        "architecture": architecture,
        "os": system,
        "config": {"Labels": {"seed": seed}},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [{"created_by": "lab"} for _ in diff_ids],
    }
    if variant:
        config["variant"] = variant[0]
    manifest = {
        "schemaVersion": 2,
        "mediaType": kinds["manifest"],
        "config": push_blob(registry, repository, _json(config), kinds["config"]),
        "layers": described,
    }
    return _json(manifest)


def _tar(size: int, seed: str) -> bytes:
    content = random.Random(seed).randbytes(size)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("content")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def push_blob(registry: Registry, repository: str, blob: bytes, media_type: str) -> dict[str, Any]:
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    url = f"{registry.url}/v2/{repository}/blobs/uploads/"
    started = _checked(registry.session.post(url), 202)
    location = started.headers["Location"]
    target = location if location.startswith("http") else registry.url + location
    separator = "&" if "?" in target else "?"
    headers = {"Content-Type": "application/octet-stream"}
    _checked(registry.session.put(f"{target}{separator}digest={digest}", data=blob, headers=headers), 201)
    return {"mediaType": media_type, "size": len(blob), "digest": digest}


def put_manifest(registry: Registry, repository: str, reference: str, manifest: bytes, media_type: str) -> str:
    url = f"{registry.url}/v2/{repository}/manifests/{reference}"
    answer = _checked(registry.session.put(url, data=manifest, headers={"Content-Type": media_type}), 201)
    return answer.headers["Docker-Content-Digest"]


def _checked(answer: requests.Response, status: int) -> requests.Response:
    if answer.status_code != status:
        raise RuntimeError(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:300]}")
    return answer


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
