"""What counts as a manifest."""

from __future__ import annotations

import json

import pytest

from dregsy_queue.oci.manifests import is_manifest

CONFIG = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "sha256:" + "0" * 64, "size": 2}


@pytest.mark.parametrize(
    "document",
    [
        {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"},
        {"schemaVersion": 2, "config": CONFIG, "layers": []},
        # As Go writes a list of nothing.
        {"schemaVersion": 2, "config": CONFIG, "layers": None},
        {"schemaVersion": 2, "manifests": None},
        {"schemaVersion": 1, "fsLayers": []},
        {"blobs": []},
    ],
)
def test_manifests_of_every_kind_are_some(document: object) -> None:
    assert is_manifest(json.dumps(document).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b"[]",
        b"{}",
        b'{"schemaVersion": 2}',
        b'{"mediaType": ""}',
        b'{"layers": 3}',
        b'{"errors": [{"code": "DENIED"}]}',
        b"[" * 100_000,
    ],
)
def test_what_is_none(body: bytes) -> None:
    assert not is_manifest(body)
