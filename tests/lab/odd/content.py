"""Images put straight into a store, of every kind that registries are known to hold."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import random
import tarfile
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from tests.lab.images import DOCKER, KINDS, OCI
from tests.lab.odd.store import Store, digest_of

SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
Entry = dict[str, Any]


def put_image(
    store: Store,
    repository: str,
    tag: str | None = None,
    *,
    media: str = "oci",
    arch: str = "amd64",
    size: int = 2048,
    algorithm: str = "sha256",
    typed: bool = True,
    layer_type: str = "",
    **more: Any,
) -> Entry:
    """One small image; returns its descriptor, with a platform. `typed`: the manifest says what it is; `more` are keys
    of the manifest."""
    kinds = KINDS[media]
    tar = _tar(f"{repository} {tag} {arch}", size)
    layer = gzip.compress(tar, 1, mtime=0) if layer_type != ZSTD else _zstd(repository.encode())
    config = {
        "architecture": arch,
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]},
        "history": [{"created": "2026-01-01T00:00:00Z", "created_by": f"{repository}:{tag}"}],
    }
    described = {"mediaType": layer_type or kinds["layer"], **_blob(store, repository, layer, algorithm)}
    manifest: dict[str, Any] = {"schemaVersion": 2}
    if typed:
        manifest["mediaType"] = kinds["manifest"]
    manifest["config"] = {"mediaType": kinds["config"], **_blob(store, repository, _json(config), algorithm)}
    manifest["layers"] = [described]
    entry = put_document(store, repository, tag, {**manifest, **more}, kinds["manifest"], algorithm)
    return {**entry, "platform": {"os": "linux", "architecture": arch}}


def put_index(
    store: Store,
    repository: str,
    tag: str | None,
    entries: list[Entry],
    media: str = "oci",
    *,
    typed: bool = True,
    algorithm: str = "sha256",
    **more: Any,
) -> Entry:
    document: dict[str, Any] = {"schemaVersion": 2}
    if typed:
        document["mediaType"] = KINDS[media]["index"]
    document["manifests"] = entries
    return put_document(store, repository, tag, {**document, **more}, KINDS[media]["index"], algorithm)


def put_multi(store: Store, repository: str, tag: str | None, *, media: str = "oci", **more: Any) -> Entry:
    """An index of two platforms."""
    entries = [put_image(store, repository, None, media=media, arch=arch, **more) for arch in ("amd64", "arm64")]
    return put_index(store, repository, tag, entries, media)


def put_nested(store: Store, repository: str, tag: str | None, *, platforms: bool = True) -> Entry:
    """An index of one index per platform, each with an attestation beside the image."""
    entries = []
    for arch in ("arm64", "amd64"):
        statement = put_image(store, repository, None, arch="unknown")
        statement["platform"] = {"os": "unknown", "architecture": "unknown"}
        statement["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
        inner = put_index(store, repository, None, [put_image(store, repository, None, arch=arch), statement])
        entries.append({**inner, "platform": {"os": "linux", "architecture": arch}} if platforms else inner)
    return put_index(store, repository, tag, entries)


def put_artifact(store: Store, repository: str, tag: str) -> Entry:
    """No image: types that nobody knows, an empty config, the same layer twice."""
    layer = {"mediaType": "application/vnd.example.data.v1", **_blob(store, repository, b"not a tar")}
    config = {"mediaType": "application/vnd.oci.empty.v1+json", **_blob(store, repository, b"{}")}
    document = {"schemaVersion": 2, "mediaType": OCI["manifest"], "artifactType": "application/vnd.example"}
    return put_document(
        store, repository, tag, {**document, "config": config, "layers": [layer, layer]}, OCI["manifest"]
    )


def put_docker_list(store: Store, repository: str, tag: str) -> Entry:
    return put_multi(store, repository, tag, media="docker")


def put_schema_1(store: Store, repository: str, tag: str, *, signed: bool = True) -> None:
    """An image of Docker's first schema: two layers, one of them twice; `signed` as docker push did."""
    layers = [_blob(store, repository, gzip.compress(_tar(f"{tag} {number}", 512), 1, mtime=0)) for number in (1, 2)]
    ids = [digest_of(f"{tag} {number}".encode()).partition(":")[2] for number in range(3)]
    history = [
        {"id": own, "created": "2016-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": {}}
        | ({"parent": parent} if parent else {})
        for own, parent in zip(ids, [*ids[1:], ""], strict=True)
    ]
    document = {
        "schemaVersion": 1,
        "name": repository,
        "tag": tag,
        "architecture": "amd64",
        "fsLayers": [{"blobSum": layer["digest"]} for layer in (layers[0], *layers)],
        "history": [{"v1Compatibility": json.dumps(entry)} for entry in history],
    }
    body = json.dumps(document, indent=3).encode()
    kind = SCHEMA_1 if signed else SCHEMA_1.replace("prettyjws", "json")
    store.put_manifest(repository, tag, kind, _signed(body) if signed else body)


def _signed(body: bytes) -> bytes:
    """Signed in place (RFC 7515 §3.2, and Docker's schema 1): the signatures stand before the last line."""
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    protected = _base64(_json({"formatLength": len(body) - 2, "formatTail": _base64(body[-2:])}))
    signature = key.sign(f"{protected}.{_base64(body)}".encode(), ec.ECDSA(hashes.SHA256()))
    plain = b"".join(number.to_bytes(32, "big") for number in utils.decode_dss_signature(signature))
    jwk = {"crv": "P-256", "kid": _key_id(key.public_key()), "kty": "EC"}
    jwk |= {axis: _base64(value.to_bytes(32, "big")) for axis, value in (("x", numbers.x), ("y", numbers.y))}
    made = {"header": {"jwk": jwk, "alg": "ES256"}, "signature": _base64(plain), "protected": protected}
    return body[:-2] + b',\n   "signatures": ' + json.dumps([made], indent=3).encode() + b"\n}"


def _key_id(key: ec.EllipticCurvePublicKey) -> str:
    """As Docker's libtrust names keys: 240 bits of a hash in groups of four letters."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    return ":".join(text[at : at + 4] for at in range(0, len(text), 4))


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def put_document(
    store: Store,
    repository: str,
    tag: str | None,
    document: dict[str, Any],
    media_type: str,
    algorithm: str = "sha256",
) -> Entry:
    body = json.dumps(document, indent=1).encode()
    store.put_manifest(repository, tag or digest_of(body), media_type, body)
    digest = digest_of(body, algorithm)
    store.manifests[repository, digest] = (media_type, body)
    return {"mediaType": media_type, "digest": digest, "size": len(body)}


def put_foreign(store: Store, repository: str, tag: str) -> Entry:
    """An image with a layer that registries need not have."""
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": digest_of(b"elsewhere"),
        "size": 9,
        "urls": ["http://127.0.0.1:9/elsewhere"],
    }
    image = put_image(store, repository, None, media="docker")
    document = json.loads(store.manifests[repository, image["digest"]][1])
    document["layers"].insert(0, foreign)
    return put_document(store, repository, tag, document, DOCKER["manifest"])


def _blob(store: Store, repository: str, body: bytes, algorithm: str = "sha256") -> Entry:
    return {"digest": store.put_blob(repository, body, algorithm), "size": len(body)}


def _tar(seed: str, size: int) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        member = tarfile.TarInfo("content")
        member.size = size
        archive.addfile(member, io.BytesIO(random.Random(seed).randbytes(size)))
    return raw.getvalue()


def _zstd(content: bytes) -> bytes:
    """`content` of at most 100 bytes as a frame of one raw block (RFC 8878 §3.1.1)."""
    size = len(content)
    return b"\x28\xb5\x2f\xfd\x20" + bytes([size]) + ((size << 3) | 1).to_bytes(3, "little") + content


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
