"""An index cut down to some platforms: which bytes, and so which digest, follow from the index and the list."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dregsy_queue.oci.manifests import parse_index
from dregsy_queue.oci.platform import Platform, choose

#: Where buildkit says which manifest an attestation in the same index is about.
_ABOUT = "vnd.docker.reference.digest"


class NoneOfThemError(ValueError):
    """The index has no manifest for any of the platforms; `has`: what it has."""

    def __init__(self, has: Sequence[str]) -> None:
        super().__init__(f"none of the platforms is in the index; it has {', '.join(has) or 'none'}")
        self.has = has


def parse_platforms(text: str) -> list[Platform]:
    """``os/arch[/variant]``, several with commas in between; none for ``all`` and for nothing. Raises: ValueError."""
    return [Platform.parse(part) for part in text.split(",")] if text not in ("", "all") else []


def subset(body: bytes, platforms: Sequence[Platform]) -> bytes:
    """The index with the manifests for `platforms` alone, and the attestations about these, in their order.

    A platform that it does not have is left out. Where nothing falls away it stays byte for byte; else the same index
    and list give the same bytes.

    Raises:
        NoneOfThemError
        ValueError: `body` is no index.
    """
    entries = parse_index(body)
    chosen = [entry for platform in platforms if (entry := choose(entries, platform)) and entry.platform is not None]
    if not chosen:
        raise NoneOfThemError(sorted({str(entry.platform) for entry in entries if entry.platform}))
    digests = {entry.digest for entry in chosen}
    document: dict[str, Any] = json.loads(body)
    kept = [item for item in document["manifests"] if item["digest"] in digests or _is_about(item, digests)]
    if len(kept) == len(entries):
        return body
    return json.dumps({**document, "manifests": kept}, separators=(",", ":"), ensure_ascii=False).encode()


def _is_about(item: dict[str, Any], digests: set[Any]) -> bool:
    annotations = item.get("annotations")
    return isinstance(annotations, dict) and annotations.get(_ABOUT) in digests
