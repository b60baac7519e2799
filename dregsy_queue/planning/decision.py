"""Is an image up to date? Decided by digests alone."""

from __future__ import annotations

from dataclasses import dataclass

from dregsy_queue.ledger.jobs import Reason, SyncRecord
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.manifests import ACCEPT, Descriptor, is_index


@dataclass(frozen=True)
class Decision:
    copy: bool
    reason: Reason


UP_TO_DATE = Decision(False, "up-to-date")


def by_digests(source: Digest, target: Digest | None, record: SyncRecord | None) -> Decision | None:
    """The verdict, if the digests alone decide; None if the source's index must be read first.

    `target` None: it does not have the image; `record` is the last sync to it.
    """
    if target is None:
        return Decision(True, "missing")
    if record is not None and (record.source_digest, record.target_digest) == (source, target):
        return UP_TO_DATE
    return None


def is_same(source: Descriptor, target: Descriptor, platform: str, record: SyncRecord | None) -> bool:
    """Whether digests alone say that the image is up to date; False also where an index must be read to know."""
    if by_digests(source.digest, target.digest, record) == UP_TO_DATE:
        return True
    whole = platform == "all" or (source.media_type in ACCEPT and not is_index(source.media_type))
    return whole and source.digest == target.digest


def decide(source: Digest, wanted: Digest, target: Digest | None, record: SyncRecord | None) -> Decision:
    """Compare what the target has with what it shall have.

    `wanted` is the digest that the target gets from `source`: the same one, or that of one platform in it. A
    target that changed although its source did not was changed by somebody else: it is ``drifted``.
    """
    verdict = by_digests(source, target, record)
    if verdict is not None:
        return verdict
    if target == wanted:
        return UP_TO_DATE
    if record is not None and record.source_digest == source:
        return Decision(True, "drifted")
    return Decision(True, "changed")
