"""The distributed roles with their plain commands: nothing lost, nothing doubled, nobody starved."""

from __future__ import annotations

from collections import Counter

from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import wait_until
from tests.lab.registry import Registry


def test_two_workers_copy_each_image_once(cluster: Cluster, source: Registry, target: Registry) -> None:
    digests = push_many(source, "lib/app", [f"{n}" for n in range(200)])
    config = write_config(cluster.folder, task("t", location(source), location(target), mapping("lib/app")))
    cluster.worker(config, "w1")
    cluster.worker(config, "w2")
    cluster.beat(config)
    counts = cluster.wait_for("t", lambda counts: counts.done)
    assert (counts.copied, counts.up_to_date, counts.failed) == (200, 0, 0)
    assert {tag: target.digest("lib/app", tag) for tag in digests} == digests
    puts = Counter(r.path for r in target.requests() if r.method == "PUT" and "/manifests/" in r.path)
    assert len(puts) == 200 and set(puts.values()) == {1}, "each image was transferred exactly once"
    by_worker = [sum(line["msg"].startswith("copied") for line in role.lines()) for role in cluster.roles[:2]]
    assert sum(by_worker) == 200 and min(by_worker) > 0, "both worked"
    for role in cluster.roles:
        assert role.process.stop() == 0
        assert "Traceback" not in role.log.read_text()


def test_a_killed_workers_jobs_arrive_within_a_minute(cluster: Cluster, source: Registry, target: Registry) -> None:
    digests = push_many(source, "lib/app", [f"{n}" for n in range(200)])
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app")),
        skopeo=slow_skopeo(cluster.folder, 0.5),
    )
    victim = cluster.worker(config, "victim")
    cluster.worker(config, "other")
    cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.copied >= 80)
    victim.process.kill()
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=60)
    assert (counts.copied, counts.up_to_date, counts.failed, counts.open) == (200, 0, 0, 0)
    assert {tag: target.digest("lib/app", tag) for tag in digests} == digests
    assert max(cluster.copied().values()) == 1
    assert sorted(cluster.redis.client().keys("dregsy:running:*") + cluster.redis.client().keys("dregsy:targets")) == []


def test_sigterm_gives_the_rest_back(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(24)])
    work = task("t", location(source), location(target), mapping("lib/app"))
    config = write_config(cluster.folder, work, skopeo=slow_skopeo(cluster.folder, 600))
    leaving = cluster.worker(config, "leaving", DREGSY_GRACE="1")
    cluster.beat(config)
    wait_until(lambda: len(cluster.reader.running_transfers()) == 16, timeout=30)
    assert leaving.process.stop(timeout=60) == 0, "long before a transfer could end"
    assert cluster.reader.running_transfers() == []
    cluster.worker(write_config(cluster.folder, work), "next")
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=60)
    assert (counts.copied, counts.failed) == (24, 0)
    assert {job.attempts for job in cluster.reader.results(counts.run)} == {1}, "being put back costs no attempt"


def test_a_small_task_does_not_wait_for_a_big_one(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/big", [f"{n}" for n in range(200)])
    push_many(source, "lib/small", [f"{n}" for n in range(10)])
    config = write_config(
        cluster.folder,
        task("big", location(source), location(target), mapping("lib/big")),
        task("small", location(source), location(target), mapping("lib/small")),
        skopeo=slow_skopeo(cluster.folder, 1),
    )
    cluster.worker(config, "w1")
    cluster.beat(config, DREGSY_RUN="big")
    cluster.wait_for("big", lambda counts: counts.copied and counts.open > 100)
    cluster.roles[-1].process.kill()
    cluster.redis.client().delete("dregsy:beat::lock")
    cluster.beat(config, DREGSY_RUN="small")
    small = cluster.wait_for("small", lambda counts: counts.done, timeout=60)
    big = cluster.reader.newest("big")
    assert small.copied == 10
    assert big and big.open > 100, "it took turns with one that was there long before"
