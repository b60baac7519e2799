"""Images made here are images to others."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from tests.integration.lab import skopeo
from tests.lab.images import KINDS, push_image, push_index, push_many
from tests.lab.registry import Registry

PLATFORMS = ["linux/amd64", "linux/arm64", "linux/arm/v7"]


def names_in(layer: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return archive.getnames()


@pytest.mark.parametrize("media", ["docker", "oci"])
def test_an_image_is_what_it_says(source: Registry, tmp_path: Path, media: str) -> None:
    digest = push_image(source, "lib/app", "1", size=30_000, layers=3, media=media, platform="linux/arm/v7")
    assert source.digest("lib/app", "1") == digest
    answer = source.manifest("lib/app", "1")
    assert "sha256:" + hashlib.sha256(answer.content).hexdigest() == digest
    assert answer.headers["Content-Type"] == KINDS[media]["manifest"]

    seen = skopeo.inspect(tmp_path, f"{source.host}/lib/app:1", "--override-arch=arm", "--override-variant=v7")
    assert (seen["Digest"], seen["Os"], seen["Architecture"]) == (digest, "linux", "arm")
    assert len(seen["Layers"]) == 3


@pytest.mark.parametrize("media", ["docker", "oci"])
def test_layers_unpack_to_what_the_config_names(source: Registry, media: str) -> None:
    push_image(source, "lib/app", "1", size=30_000, layers=3, media=media)
    manifest = source.manifest("lib/app", "1").json()

    def blob(digest: str) -> bytes:
        return source.session.get(f"{source.url}/v2/lib/app/blobs/{digest}").content

    layers = [gzip.decompress(blob(layer["digest"])) for layer in manifest["layers"]]
    config = source.session.get(f"{source.url}/v2/lib/app/blobs/{manifest['config']['digest']}").json()
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    for layer in layers:
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            assert archive.getnames() == ["content"]
    assert len(set(config["rootfs"]["diff_ids"])) == 3
    assert sum(layer["size"] for layer in manifest["layers"]) >= 30_000


@pytest.mark.parametrize("media", ["docker", "oci"])
def test_an_index_leads_to_each_platform(source: Registry, tmp_path: Path, media: str) -> None:
    index = push_index(source, "lib/app", "1", platforms=PLATFORMS, media=media)
    assert source.digest("lib/app", "1") == index.digest
    assert len(set(index.children.values())) == 3
    for platform in PLATFORMS:
        system, architecture, *variant = platform.split("/")
        options = [f"--override-os={system}", f"--override-arch={architecture}"]
        options += [f"--override-variant={part}" for part in variant]
        seen = skopeo.inspect(tmp_path, f"{source.host}/lib/app:1", *options)
        assert (seen["Os"], seen["Architecture"]) == (system, architecture)
    raw = skopeo.inspect(tmp_path, f"{source.host}/lib/app:1", "--raw")
    assert [entry["digest"] for entry in raw["manifests"]] == list(index.children.values())
    assert raw["manifests"][2]["platform"] == {"os": "linux", "architecture": "arm", "variant": "v7"}


@pytest.mark.parametrize("media", ["docker", "oci"])
def test_skopeo_copies_them_unchanged(source: Registry, target: Registry, tmp_path: Path, media: str) -> None:
    image = push_image(source, "lib/app", "image", size=200_000, layers=2, media=media)
    index = push_index(source, "lib/app", "index", platforms=PLATFORMS, media=media)
    for tag in ("image", "index"):
        done = skopeo.copy(
            tmp_path, f"{source.host}/lib/app:{tag}", f"{target.host}/mirror/app:{tag}", "--all", "--preserve-digests"
        )
        assert done.returncode == 0, done.stderr
    assert target.digest("mirror/app", "image") == image
    assert target.digest("mirror/app", "index") == index.digest
    assert all(target.digest("mirror/app", child) == child for child in index.children.values())


def test_the_seed_alone_decides_the_digest(source: Registry, target: Registry) -> None:
    first = push_image(source, "a", "1", seed="x")
    assert push_image(target, "b/c", "2", seed="x") == first
    assert push_image(source, "a", "2", seed="y") != first
    assert push_image(source, "a", "3") != push_image(source, "a", "4"), "without one, repository and tag do"


def test_many_are_pushed_under_their_tags(source: Registry) -> None:
    digests = push_many(source, "lib/app", [f"1.{n}" for n in range(60)])
    assert sorted(source.tags("lib/app")) == sorted(digests)
    assert len(set(digests.values())) == 60
    assert all(source.digest("lib/app", tag) == digest for tag, digest in digests.items())
