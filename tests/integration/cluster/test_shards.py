"""One large task, planned by several workers: nothing lost, nothing doubled, whatever happens to a part of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.report import RunCounts
from dregsy_queue.planning.planner import MOST_ALONE, SHARD
from tests.lab.cluster import Cluster
from tests.lab.dregsy import Role, location, mapping, task, write_config
from tests.lab.odd.content import put_image
from tests.lab.odd.quirks import HEADS, asks, refuses, slow
from tests.lab.odd.registry import OddRegistry
from tests.lab.processes import wait_until

#: Tags at the source; those of the target, the rest is missing there; those of them that are another image there.
TAGS, AT_TARGET, CHANGED = MOST_ALONE + 3 * SHARD, MOST_ALONE + 3 * SHARD - 40, 30


@pytest.fixture
def source() -> Iterator[OddRegistry]:
    registry = OddRegistry()
    fill(registry, "lib/app", TAGS)
    yield registry
    registry.stop()


@pytest.fixture
def target() -> Iterator[OddRegistry]:
    registry = OddRegistry()
    fill(registry, "lib/app", AT_TARGET)
    old = put_image(registry.store, "lib/app", "old", config={"old": "yes"})["digest"]
    for number in range(CHANGED):
        registry.store.manifests["lib/app", name(AT_TARGET - 1 - number)] = registry.store.manifests["lib/app", old]
    yield registry
    registry.stop()


def fill(registry: OddRegistry, repository: str, number: int) -> None:
    digest = put_image(registry.store, repository, name(0))["digest"]
    for tag in map(name, range(number)):
        registry.store.manifests[repository, tag] = registry.store.manifests[repository, digest]


def name(number: int) -> str:
    return f"t{number:05}"


def config_of(folder: Path, source: OddRegistry, target: OddRegistry) -> Path:
    return write_config(
        folder, task("t", location(source.host), location(target.host), mapping("lib/app")), relay="direct"
    )


def two_workers(cluster: Cluster, config: Path, **env: str) -> list[Role]:
    workers = [cluster.worker(config, f"w{number}", **env) for number in range(2)]
    wait_until(lambda: cluster.redis.client().zcard("dregsy:workers") == 2, timeout=60, what="the workers")
    cluster.beat(config)
    return workers


def done(cluster: Cluster, timeout: float = 120) -> RunCounts:
    return cluster.wait_for("t", lambda counts: counts.done, timeout)


def parts(worker: Role) -> int:
    return sum(line["msg"].startswith("a part is planned") for line in worker.lines())


def keys(cluster: Cluster, pattern: str) -> list[str]:
    return sorted(connect(cluster.redis.url).scan_iter(pattern, count=1000))


def left_in_redis(cluster: Cluster) -> list[str]:
    return [key for key in keys(cluster, "dregsy:*") if "shard" in key and not key.startswith("dregsy:lane")]


def test_a_large_task_is_planned_by_both_workers(cluster: Cluster, source: OddRegistry, target: OddRegistry) -> None:
    workers = two_workers(cluster, config_of(cluster.folder, source, target))
    counts = done(cluster)
    new = TAGS - AT_TARGET + CHANGED
    assert (counts.copied, counts.up_to_date, counts.failed) == (new, TAGS - new, 0)
    heads = Counter(entry.path for entry in source.asked("HEAD", "/manifests/t") if "celery" not in entry.agent)
    assert set(heads) == {f"/v2/lib/app/manifests/{name(number)}" for number in range(TAGS)}
    assert set(heads.values()) == {1}, "each tag was looked at once"
    assert source.count("GET", "/tags/list") <= 3, "and listed by one planner"
    assert sum(map(parts, workers)) == 3 and min(map(parts, workers)) > 0, "both worked"
    assert source.store.tags("lib/app") == [tag for tag in target.store.tags("lib/app") if tag != "old"]
    wait_until(lambda: not left_in_redis(cluster), timeout=10)
    for role in cluster.roles:
        assert role.process.stop() == 0
        assert "Traceback" not in role.log.read_text()


def test_many_repositories_of_one_task_are_shared_at_once(
    cluster: Cluster, source: OddRegistry, target: OddRegistry
) -> None:
    names = [f"lib/r{number}" for number in range(5)]
    for repository in names:
        fill(source, repository, 3 * SHARD)
        fill(target, repository, 3 * SHARD)
    found = task("t", location(source.host), location(target.host), *map(mapping, names))
    two_workers(cluster, write_config(cluster.folder, found, relay="direct"))
    counts = done(cluster)
    assert (counts.copied, counts.up_to_date, counts.failed) == (0, 15 * SHARD, 0)


def test_a_worker_killed_in_the_middle_of_its_part(cluster: Cluster, source: OddRegistry, target: OddRegistry) -> None:
    source.quirks.insert(0, slow(HEADS, 0.3))
    victim, other = two_workers(cluster, config_of(cluster.folder, source, target))
    redis = connect(cluster.redis.url)

    def shards_of(role: str) -> list[str]:
        held = [job for name in keys(cluster, f"dregsy:worker:{role}@*:running") for job in redis.smembers(name)]
        return [job for job in held if ":shard-" in job]

    wait_until(lambda: shards_of("w0"), timeout=60, what="a part of the victim's")
    victim.process.kill()
    # Its lease would end in some seconds.
    redis.zadd(
        "dregsy:workers", {keys(cluster, "dregsy:worker:w0@*:running")[0].split(":", 2)[2].removesuffix(":running"): 1}
    )
    counts = done(cluster)
    new = TAGS - AT_TARGET + CHANGED
    assert (counts.copied, counts.up_to_date, counts.failed) == (new, TAGS - new, 0)
    assert parts(other) > 0 and left_in_redis(cluster) == []


def test_a_part_whose_registry_answers_half(cluster: Cluster, source: OddRegistry, target: OddRegistry) -> None:
    """The images that it does not tell of have failed, and no others; what it tells at the second try counts."""
    refused = [number for number in range(TAGS) if number % 100 == 13]
    source.quirks[:0] = [
        refuses(asks("HEAD GET", "manifest", r"/t\d+13$"), 403, "DENIED"),
        refuses(asks("HEAD", "manifest", r"/t\d+7$"), 503, "UNAVAILABLE", times=200),
    ]
    two_workers(cluster, config_of(cluster.folder, source, target), DREGSY_BACKOFF="0.1")
    counts = done(cluster)
    assert counts.failed == counts.unplanned == len(refused) and counts.outcome == "failed"
    assert counts.total == TAGS
    found = {result.source for result in cluster.reader.results(counts.run) if result.status == "failed"}
    assert {int(re.findall(r"\d+$", image)[0]) for image in found} == set(refused)


def test_cancel_while_parts_are_planned(cluster: Cluster, source: OddRegistry, target: OddRegistry) -> None:
    source.quirks.insert(0, slow(HEADS, 2))
    two_workers(cluster, config_of(cluster.folder, source, target))
    redis = connect(cluster.redis.url)
    wait_until(lambda: redis.scard("dregsy:running:shard") > 1, timeout=60, what="parts that are planned")
    run = cluster.wait_for("t", lambda counts: counts.state == "planning").run
    assert Orders(connect(cluster.redis.url)).cancel(run)
    counts = done(cluster, timeout=10)
    assert counts.outcome == "cancelled"
    wait_until(lambda: not left_in_redis(cluster) and not keys(cluster, "dregsy:running:*"), timeout=20)
    seen = len(source.log)
    wait_until(lambda: not keys(cluster, "dregsy:worker:*:running"), timeout=20, what="idle workers")
    assert cluster.reader.counts(run) == counts and seen < TAGS
