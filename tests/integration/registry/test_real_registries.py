"""Every kind of image into every real registry that is to be had, by both relays: byte for byte the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeRegistry
from tests.lab.content import content_of, push_artifact, push_nested_index
from tests.lab.dregsy import location, mapping, sync, task, write_config
from tests.lab.go_registries import DISTRIBUTION_3, GGCR, GgcrRegistry
from tests.lab.images import push_image, push_index
from tests.lab.registry import Registry

RELAYS = ("skopeo", "direct")
Target = Registry | GgcrRegistry


@pytest.fixture(params=["docker-registry 2.8", "distribution 3", "go-containerregistry"])
def into(request: pytest.FixtureRequest, make_registry: MakeRegistry, tmp_path: Path) -> Iterator[Target]:
    if request.param == "docker-registry 2.8":
        yield make_registry()
        return
    program = (DISTRIBUTION_3 if request.param == "distribution 3" else GGCR).find()
    if program is None:
        pytest.skip(f"{request.param} is not here: `make go-registries` builds it where Go is")
    target: Target = (
        make_registry(program=program)
        if program.parent.name == "distribution"
        else GgcrRegistry(program, tmp_path / "ggcr")
    )
    yield target
    target.stop()


def _push_all(source: Registry) -> list[str]:
    """One of each kind; returns their tags."""
    push_image(source, "lib/app", "docker", layers=3, size=400_000)
    push_image(source, "lib/app", "oci", layers=2, media="oci")
    push_index(source, "lib/app", "list", platforms=["linux/amd64", "linux/arm/v7"])
    push_index(source, "lib/app", "index", platforms=["linux/amd64", "a/b"], media="oci")
    push_artifact(source, "lib/app", "artifact")
    push_nested_index(source, "lib/app", "nested")
    return ["docker", "oci", "list", "index", "artifact", "nested"]


def test_byte_for_byte(source: Registry, into: Target, tmp_path: Path) -> None:
    tags = _push_all(source)
    tasks = [
        task(
            relay,
            location(source),
            location(into.host),
            mapping("lib/app", f"by-{relay}/app", tags, platform="all"),
            relay=relay,
        )
        for relay in RELAYS
    ]
    config = write_config(tmp_path, *tasks)
    outcome = sync(config)
    assert outcome.code == 0, outcome.stderr
    for relay in RELAYS:
        assert outcome.counts(relay) == (len(tags), 0, 0)
        for tag in tags:
            assert content_of(into, f"by-{relay}/app", tag) == content_of(source, "lib/app", tag), (relay, tag)
    again = sync(config)
    assert [again.counts(relay) for relay in RELAYS] == [(0, len(tags), 0)] * len(RELAYS)
