"""Sync records: what Redis holds of them, and what they say of another platform."""

from __future__ import annotations

import pytest

from dregsy_queue.ledger.jobs import SyncRecord
from dregsy_queue.oci.digest import Digest

A, B = Digest("sha256:a"), Digest("sha256:b")


@pytest.mark.parametrize("platform", [None, "", "all", "linux/arm/v7"])
def test_a_record_comes_back_as_it_was_written(platform: str | None) -> None:
    record = SyncRecord(A, B, platform)
    assert SyncRecord.parse(str(record)) == record


def test_a_record_is_about_the_platform_that_it_was_made_for() -> None:
    assert SyncRecord(A, B, "").is_about("")
    assert not SyncRecord(A, B, "").is_about("all")
    assert SyncRecord(A, B).is_about("all"), "releases before did not note it"
