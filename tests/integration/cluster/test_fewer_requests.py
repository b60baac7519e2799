"""`drift-check` and `immutable`: what is not asked for again, and what is found all the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.lab.cluster import Cluster
from tests.lab.dregsy import BIN, location, mapping, sync, task, write_config
from tests.lab.images import push_image, push_many, tag_many
from tests.lab.registry import Registry

TAGS = [f"v{n}" for n in range(12)]


def asked(registry: Registry, before: int) -> list[str]:
    """Methods and paths of requests since then."""
    return [f"{request.method} {request.path.partition('?')[0]}" for request in registry.requests()[before:]]


def test_immutable_tags_that_the_target_has_cost_two_lists(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", TAGS)
    copy = mapping("lib/app", "mirror", immutable=True)
    config = write_config(tmp_path, task("t", location(source), location(target), copy))
    assert sync(config).counts("t") == (12, 0, 0), "a target without the repository has nothing yet"
    push_image(source, "lib/app", "new")
    assert sync(config).counts("t") == (1, 12, 0)
    before = len(source.requests()), len(target.requests())
    assert sync(config).counts("t") == (0, 13, 0)
    assert asked(source, before[0]) == ["GET /v2/lib/app/tags/list"]
    assert asked(target, before[1]) == ["GET /v2/mirror/tags/list"]


def test_a_thousand_immutable_tags_cost_two_requests(tmp_path: Path, source: Registry, target: Registry) -> None:
    for registry in (source, target):
        tag_many(registry, "lib/app", [f"v{number}" for number in range(1_010)])
    config = write_config(
        tmp_path, task("t", location(source), location(target), mapping("lib/app", immutable=True)), relay="direct"
    )
    before = len(source.requests()), len(target.requests())
    assert sync(config).counts("t") == (0, 1_010, 0)
    for registry, number in zip((source, target), before, strict=True):
        assert asked(registry, number) == ["GET /v2/lib/app/tags/list"]


def test_only_tags_that_match_are_immutable(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["v1", "latest"])
    copy = mapping("lib/app", "mirror", immutable="v[0-9]+")
    config = write_config(tmp_path, task("t", location(source), location(target), copy))
    assert sync(config).counts("t") == (2, 0, 0)
    kept = target.digest("mirror", "v1")
    changed = [push_image(source, "lib/app", tag, seed="changed") for tag in ("v1", "latest")]
    assert sync(config).counts("t") == (1, 1, 0)
    assert (target.digest("mirror", "v1"), target.digest("mirror", "latest")) == (kept, changed[1])


@pytest.mark.timeout(120)
def test_between_drift_checks_the_target_is_not_asked(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", TAGS)
    often = task("t", location(source), location(target), mapping("lib/app", "mirror"), interval=3600)
    config = write_config(cluster.folder, {**often, "drift-check": "24h"})
    cluster.worker(config, "w1")
    cluster.beat(config)
    last = cluster.wait_for("t", lambda counts: counts.done and counts.copied == 12, timeout=60).run

    def run_again() -> tuple[int, int, int, int]:
        """Copied, up to date, failed, and requests at the target."""
        nonlocal last
        before = len(target.requests())
        command = [str(BIN / "dregsy"), "run", "t", "--wait", "--redis", cluster.redis.url]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        counts = cluster.reader.newest("t")
        assert counts and counts.run != last
        last = counts.run
        return counts.copied, counts.up_to_date, counts.failed, len(asked(target, before))

    assert run_again() == (0, 12, 0, 12), "what was copied is seen at the target once"
    assert run_again() == (0, 12, 0, 0)
    changed = push_image(source, "lib/app", "v3", seed="changed")
    push_image(target, "mirror", "v4", seed="somebody else")
    copied, up_to_date, failed, _ = run_again()
    assert (copied, up_to_date, failed) == (1, 11, 0)
    assert target.digest("mirror", "v3") == changed
    # As if the last look were a day ago.
    cluster.redis.client().hset("dregsy:looked:t", mapping=dict.fromkeys(
        cluster.redis.client().hkeys("dregsy:looked:t"), str(cluster.redis.client().time()[0] - 86_400)))  # fmt: skip
    assert run_again()[:3] == (1, 11, 0), "what somebody else pushed is found now"
    assert target.digest("mirror", "v4") == source.digest("lib/app", "v4")
