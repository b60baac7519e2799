"""Up to date or not: every case of source, target and the last sync."""

from __future__ import annotations

import pytest

from dregsy_queue.ledger.jobs import SyncRecord
from dregsy_queue.oci.digest import Digest
from dregsy_queue.planning.decision import UP_TO_DATE, Decision, by_digests, decide

#: the source's digest now and before, one platform in it, and what somebody else pushed
NEW, OLD, CHILD, FOREIGN = (Digest(f"sha256:{name}") for name in ("new", "old", "child", "foreign"))

MISSING, CHANGED, DRIFTED = Decision(True, "missing"), Decision(True, "changed"), Decision(True, "drifted")


@pytest.mark.parametrize(
    ("wanted", "target", "record", "verdict"),
    [
        (NEW, None, None, MISSING),
        (NEW, None, SyncRecord(NEW, NEW), MISSING),
        (NEW, NEW, None, UP_TO_DATE),
        (NEW, NEW, SyncRecord(OLD, OLD), UP_TO_DATE),
        (NEW, OLD, None, CHANGED),
        (NEW, OLD, SyncRecord(OLD, OLD), CHANGED),
        (NEW, FOREIGN, SyncRecord(NEW, NEW), DRIFTED),
        (NEW, FOREIGN, SyncRecord(OLD, OLD), CHANGED),
        # one platform of an index, or a Docker daemon's own manifest: the digests differ by nature
        (CHILD, CHILD, None, UP_TO_DATE),
        (CHILD, CHILD, SyncRecord(NEW, CHILD), UP_TO_DATE),
        (CHILD, FOREIGN, SyncRecord(NEW, FOREIGN), UP_TO_DATE),
        (CHILD, FOREIGN, SyncRecord(NEW, CHILD), DRIFTED),
        (CHILD, OLD, SyncRecord(OLD, OLD), CHANGED),
    ],
)
def test_verdicts(wanted: Digest, target: Digest | None, record: SyncRecord | None, verdict: Decision) -> None:
    assert decide(NEW, wanted, target, record) == verdict


def test_what_is_known_without_a_look_into_the_source_is_what_is_decided() -> None:
    for target in (None, NEW, OLD, CHILD, FOREIGN):
        for record in (None, SyncRecord(NEW, NEW), SyncRecord(NEW, CHILD), SyncRecord(OLD, OLD)):
            early = by_digests(NEW, target, record)
            assert early is None or all(decide(NEW, wanted, target, record) == early for wanted in (NEW, CHILD))
