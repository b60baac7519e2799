"""What does a manifest name? Its blobs and its children, whatever kind of manifest it is. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dregsy_queue.oci.digest import Digest, is_digest
from dregsy_queue.oci.manifests import digest_of, document_of, pushed_type
from dregsy_queue.oci.schema1 import signed_content
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.responses import Answer, quoted

#: Layers that registries need not have: who pulls takes them from their `urls` (image-spec, non-distributable layers).
_FOREIGN = ("nondistributable", "foreign")
_ALGORITHMS = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


@dataclass(frozen=True)
class Blob:
    digest: Digest
    #: in bytes; None: the manifest does not say
    size: int | None


@dataclass(frozen=True)
class ChildManifest:
    digest: Digest
    #: "" where the index does not say
    media_type: str


@dataclass(frozen=True)
class Manifest:
    """A manifest as the source has it."""

    digest: Digest
    media_type: str
    body: bytes
    blobs: tuple[Blob, ...]
    children: tuple[ChildManifest, ...]
    #: digest of the manifest that it refers to; "" for none (image-spec, "subject")
    subject: str = ""


def parse_manifest(digest: Digest, media_type: str, body: bytes) -> Manifest:
    """Raises: ValueError: `body` is not what `digest` says, or it names something that cannot be."""
    if not matches(digest, body):
        raise ValueError("the registry sent something else than its digest says")
    document = document_of(body)
    if document is None:
        raise ValueError(f"it is not a manifest{quoted(body)}")
    blobs = {blob.digest: blob for blob in _blobs(document)}
    children = {child.digest: child for child in _children(document)}
    return Manifest(
        digest, pushed_type(body, media_type), body, tuple(blobs.values()), tuple(children.values()), _subject(document)
    )


def read_manifest(answer: Answer, registry: str, repository: str, reference: str, media_type: str = "") -> Manifest:
    """What a registry answered under `reference`, a tag or a digest. `media_type`: as the index that names it says.

    Raises: RegistryError, temporary: it is not what it should be.
    """
    digest = Digest(reference) if is_digest(reference) else digest_of(answer.body)
    told = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    try:
        return parse_manifest(digest, media_type or told, answer.body)
    except ValueError as error:
        text = f"{registry}: image {repository} {reference}: {error}"
        raise RegistryError(text, kind="invalid", temporary=True, registry=registry) from None


def hasher(digest: Digest) -> Any:  # noqa: ANN401 - hashlib has no type of its own
    """A new hash of the algorithm that `digest` names. Raises: ValueError: nobody here can check it."""
    if digest.algorithm not in _ALGORITHMS:
        raise ValueError(f"digests by '{digest.algorithm}' cannot be checked here; there are {', '.join(_ALGORITHMS)}")
    return _ALGORITHMS[digest.algorithm]()


def matches(digest: Digest, body: bytes) -> bool:
    """Whether a manifest is what `digest` names. Raises: ValueError, as `hasher`."""
    return _is_hash(digest, body) or ((signed := signed_content(body)) is not None and _is_hash(digest, signed))


def _is_hash(digest: Digest, content: bytes) -> bool:
    found = hasher(digest)
    found.update(content)
    return bool(found.hexdigest() == digest.encoded)


def _blobs(document: dict[str, Any]) -> Iterator[Blob]:
    """Config and layers, the blobs of an artifact, and the layers of Docker's first schema, which has no sizes."""
    for item in _objects([document.get("config")], document.get("layers"), document.get("blobs")):
        kind = str(item.get("mediaType") or "")
        if not (item.get("urls") and any(word in kind for word in _FOREIGN)):
            yield Blob(_digest(item.get("digest")), _size(item.get("size")))
    for item in _objects(document.get("fsLayers")):
        yield Blob(_digest(item.get("blobSum")), None)


def _children(document: dict[str, Any]) -> Iterator[ChildManifest]:
    for item in _objects(document.get("manifests")):
        yield ChildManifest(_digest(item.get("digest")), str(item.get("mediaType") or ""))


def _subject(document: dict[str, Any]) -> str:
    subject = document.get("subject")
    return str(subject.get("digest") or "") if isinstance(subject, dict) else ""


def _objects(*lists: object) -> Iterable[dict[str, Any]]:
    return [item for found in lists if isinstance(found, list) for item in found if isinstance(item, dict)]


def _digest(value: object) -> Digest:
    if not isinstance(value, str) or not is_digest(value):
        raise ValueError("it names something by an invalid digest")
    return Digest(value)


def _size(value: object) -> int | None:
    """A blob that is said to be empty is asked how big it is, as some programs write 0 for what they do not know."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
