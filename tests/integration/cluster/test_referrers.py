"""`referrers: true`: signatures and SBOMs go along, whichever way the registries list them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.content import content_of
from tests.lab.dregsy import location, mapping, sync, task, write_config
from tests.lab.images import push_image, push_index
from tests.lab.referrers import ReferrersApi, list_by_tag, listed_by_tag, push_referrer
from tests.lab.registry import Registry

SIGNATURE, SBOM = "application/vnd.example.signature", "application/vnd.example.sbom"
Listed = Callable[[str], set[str]]


@pytest.fixture
def api(make_registry: Callable[[], Registry]) -> Iterator[ReferrersApi]:
    found = ReferrersApi(make_registry())
    yield found
    found.stop()


def config(folder: Path, source: Any, target: Any, **more: Any) -> Path:
    copy = mapping("lib/app", "mirror", tags=["1"], platform="all", referrers=True)
    return write_config(folder, task("t", location(source.host), location(target.host), copy), relay="direct", **more)


@pytest.mark.parametrize("source_lists", ["by API", "by tag"])
@pytest.mark.parametrize("target_lists", ["by API", "by tag"])
def test_what_refers_to_an_image_goes_along(
    tmp_path: Path,
    source: Registry,
    target: Registry,
    make_registry: Callable[[], Registry],
    api: ReferrersApi,
    source_lists: str,
    target_lists: str,
) -> None:
    other = ReferrersApi(make_registry())
    try:
        from_: Any = api if source_lists == "by API" else source
        to: Any = other if target_lists == "by API" else target
        image = push_index(from_, "lib/app", "1", platforms=["linux/amd64", "linux/arm64"], media="oci")
        entries = [push_referrer(from_, "lib/app", image.digest, kind) for kind in (SIGNATURE, SBOM)]
        of_child = push_referrer(from_, "lib/app", image.children["linux/amd64"], SBOM)
        of_sbom = push_referrer(from_, "lib/app", entries[1]["digest"], SIGNATURE)
        if source_lists == "by tag":
            list_by_tag(from_, "lib/app", image.digest, *entries)
            list_by_tag(from_, "lib/app", image.children["linux/amd64"], of_child)
            list_by_tag(from_, "lib/app", entries[1]["digest"], of_sbom)

        def listed(subject: str) -> set[str]:
            return other.listed("mirror", subject) if target_lists == "by API" else listed_by_tag(to, "mirror", subject)

        file = config(tmp_path, from_, to)
        assert sync(file).counts("t") == (1, 0, 0)
        assert listed(image.digest) == {entry["digest"] for entry in entries}
        assert listed(image.children["linux/amd64"]) == {of_child["digest"]}
        assert listed(entries[1]["digest"]) == {of_sbom["digest"]}
        for entry in (*entries, of_child, of_sbom):
            assert content_of(to, "mirror", entry["digest"]) == content_of(from_, "lib/app", entry["digest"])
        assert sync(file).counts("t") == (0, 1, 0)

        later = push_referrer(from_, "lib/app", image.digest, "application/vnd.example.later")
        if source_lists == "by tag":
            list_by_tag(from_, "lib/app", image.digest, *entries, later)
        assert sync(file).counts("t") == (1, 0, 0), "a signature that came later is copied, too"
        assert listed(image.digest) == {entry["digest"] for entry in (*entries, later)}
        assert sync(file).counts("t") == (0, 1, 0)
    finally:
        other.stop()


def test_cosigns_tags_go_along(tmp_path: Path, source: Registry, target: Registry) -> None:
    image = push_image(source, "lib/app", "1")
    signature = push_image(source, "lib/app", f"sha256-{image.removeprefix('sha256:')}.sig", seed="signature")
    push_image(source, "lib/app", f"sha256-{'0' * 64}.sig", seed="of another image")
    file = config(tmp_path, source, target)
    assert sync(file).counts("t") == (2, 0, 0)
    tag = f"sha256-{image.removeprefix('sha256:')}.sig"
    assert sorted(target.tags("mirror")) == sorted(["1", tag]) and target.digest("mirror", tag) == signature
    again = push_image(source, "lib/app", tag, seed="signed once more")
    assert sync(file).counts("t") == (1, 1, 0)
    assert target.digest("mirror", tag) == again
