"""Sync records: what Redis holds of them, and what they say of another platform."""

from __future__ import annotations

import pytest

from dregsy_queue.ledger.jobs import SyncRecord


@pytest.mark.parametrize("platform", [None, "", "all", "linux/arm/v7"])
def test_a_record_comes_back_as_it_was_written(platform: str | None) -> None:
    record = SyncRecord("sha256:a", "sha256:b", platform)
    assert SyncRecord.parse(str(record)) == record


def test_a_record_is_about_the_platform_that_it_was_made_for() -> None:
    assert SyncRecord("sha256:a", "sha256:b", "").is_about("")
    assert not SyncRecord("sha256:a", "sha256:b", "").is_about("all")
    assert SyncRecord("sha256:a", "sha256:b").is_about("all"), "releases before did not note it"
