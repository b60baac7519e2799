"""An index cut down to some platforms."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dregsy_queue.oci.manifests import OCI_INDEX, OCI_MANIFEST
from dregsy_queue.oci.subset import NoneOfThemError, parse_platforms, subset

AMD, ARM, S390, ABOUT_ARM, ABOUT_S390 = (f"sha256:{digit * 64}" for digit in "12345")


def entry(digest: str, platform: str = "", about: str = "") -> dict[str, Any]:
    item: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 7}
    if platform:
        item["platform"] = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    return {**item, "annotations": {"vnd.docker.reference.digest": about}} if about else item


INDEX = {
    "schemaVersion": 2,
    "mediaType": OCI_INDEX,
    "manifests": [
        entry(AMD, "linux/amd64"),
        entry(ARM, "linux/arm64/v8"),
        entry(S390, "linux/s390x"),
        entry(ABOUT_ARM, "unknown/unknown", ARM),
        entry(ABOUT_S390, "unknown/unknown", S390),
    ],
    "annotations": {"name": "ü"},
}
BODY = json.dumps(INDEX, indent=2).encode()


@pytest.mark.parametrize(
    ("platforms", "kept"),
    [
        ("linux/amd64,linux/arm64", [AMD, ARM, ABOUT_ARM]),
        ("linux/arm64,linux/amd64", [AMD, ARM, ABOUT_ARM]),
        ("linux/amd64,windows/amd64", [AMD]),
        ("linux/s390x,linux/s390x", [S390, ABOUT_S390]),
    ],
)
def test_what_is_kept(platforms: str, kept: list[str]) -> None:
    found = json.loads(subset(BODY, parse_platforms(platforms)))
    assert [item["digest"] for item in found["manifests"]] == kept
    assert {**found, "manifests": []} == {**INDEX, "manifests": []}


def test_an_index_of_which_all_is_wanted_stays_byte_for_byte() -> None:
    assert subset(BODY, parse_platforms("linux/amd64,linux/arm64,linux/s390x")) == BODY


def test_an_index_without_any_of_them_says_what_it_has() -> None:
    with pytest.raises(NoneOfThemError) as caught:
        subset(BODY, parse_platforms("windows/amd64,linux/riscv64"))
    assert "linux/amd64" in caught.value.has
    with pytest.raises(ValueError, match="not an image index"):
        subset(b"[]", parse_platforms("linux/amd64,linux/arm64"))
