"""Where are blobs at target registries, as far as any worker saw? Hints: the registry is asked before one is used.

A blob's name is the first 108 bits of its SHA-256 digest, so that Redis can keep the hashes packed. Two blobs of one
name cost a request in vain.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeVar

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.scripts import Scripts

T = TypeVar("T")

#: Seconds for which a bucket is kept after something was put into it last.
KEPT = 7 * 86400
#: Blobs of a bucket, and of images; there are 4,096 buckets of blobs per registry, and as many of images. Redis packs
#: hashes of up to 128 fields, with values of up to 64 bytes.
BLOBS, IMAGES = 128, 16
#: Longest text of a blob's repositories, in bytes; one is kept however long it is.
LONGEST = 64
#: Images with more blobs are not remembered.
MOST_PARTS = 200
#: Seconds for which a lease to move a blob lasts, unless it is renewed.
LEASE = 15
#: Blobs, or images, in one call of Redis.
_AT_ONCE = 200
#: Characters of a whole digest, and of a blob's name.
_WHOLE, _NAME = 43, 18


@dataclass(frozen=True)
class Seen:
    """A blob that a repository of a registry has."""

    registry: str
    repository: str
    digest: str


@dataclass(frozen=True)
class ImageBlobs:
    """What is known of an image; `blobs`: digest → its repositories at the target registry, maybe none."""

    blobs: dict[str, tuple[str, ...]]
    #: nobody knows its blobs, and reading its manifest may help
    may_read: bool = False


#: Where a blob is by now; or who moves it: the caller, or somebody else.
Lead = tuple[str, ...] | Literal["mine", "taken"]


class BlobIndex:
    """Each method is one call of Redis for a few hundred blobs; registries are named by `registry_key`."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def note(self, seen: Iterable[Seen]) -> None:
        named = ((one.registry, one.repository, name) for one in seen if (name := _name(one.digest)))
        for some in _slices(named):
            self._scripts.run("note_blobs", KEPT, BLOBS, LONGEST, *(text for one in some for text in one))

    def find(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, ...]]:
        """Of each registry and digest its repositories, the newest first, in their order."""
        found: list[tuple[str, ...]] = []
        for some in _slices(wanted):
            args = [text for registry, digest in some for text in (registry, _name(digest))]
            found += [tuple(text.split()) for text in self._scripts.run("find_blobs", *args)]
        return found

    def forget(self, registry: str, digest: str) -> None:
        """A blob was not where it was said to be."""
        if name := _name(digest):
            self._redis.hdel(key("blobs", registry, name[:2]), name[2:])

    def note_image(self, images: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Manifests were seen to name these blobs, directly or by the manifests in them."""
        known = ((_name(manifest), _join(blobs)) for manifest, blobs in images if len(blobs) <= MOST_PARTS)
        for some in _slices(one for one in known if all(one)):
            self._scripts.run("note_parts", KEPT, IMAGES, *(text for one in some for text in one))

    def image(self, manifest: str, target: str, source: str) -> ImageBlobs:
        """The blobs of a manifest, and where they are at the registry `target`. `source`: the registry that would be
        asked for the manifest."""
        name = _name(manifest)
        flat: list[str] = self._scripts.run("image_blobs", target, source, name, _WHOLE) if name else []
        if len(flat) == 1:
            return ImageBlobs({}, may_read=True)
        return ImageBlobs({_digest(code): tuple(text.split()) for code, text in zip(*[iter(flat)] * 2, strict=True)})

    def lead(self, registry: str, digest: str, holder: str) -> Lead:
        """Take the lease to move a blob, or renew it."""
        answer: Any = self._scripts.run("lead_blob", registry, _name(digest), holder, LEASE)
        return answer if answer in ("mine", "taken") else tuple(answer.split())

    def end_lead(self, registry: str, digest: str, holder: str) -> None:
        """To be called after the blob was noted, if it moved: who waits for it looks then."""
        self._scripts.run("end_lead", registry, _name(digest), holder)


def _name(digest: str) -> str:
    return _code(digest)[:_NAME]


def _code(digest: str) -> str:
    """A SHA-256 digest in 43 characters; "" for any other."""
    algorithm, _, encoded = digest.partition(":")
    try:
        raw = bytes.fromhex(encoded) if algorithm == "sha256" else b""
    except ValueError:
        return ""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode() if len(raw) == 32 else ""


def _digest(code: str) -> str:
    return "sha256:" + base64.urlsafe_b64decode(code + "=").hex()


def _join(digests: Sequence[str]) -> str:
    codes = [_code(digest) for digest in digests]
    return "".join(codes) if all(codes) else ""


def _slices(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield some
