"""What an operator looks at: metrics, health, status."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.overview import Overview
from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_image, push_many
from tests.lab.processes import ManagedProcess, free_port, wait_until
from tests.lab.registry import Registry


def run(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DREGSY_REDIS_URL": cluster.redis.url}
    return subprocess.run([str(BIN / "dregsy"), *arguments], capture_output=True, text=True, env=environment)


@pytest.mark.timeout(200)
def test_metrics_count_the_whole_cluster(cluster: Cluster, source: Registry, target: Registry, tmp_path: Path) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(30)])
    config = write_config(
        cluster.folder,
        task("t", location(source), location(target), mapping("lib/app"), interval=3600),
        task("bad", location(source), location(target), mapping("no/such")),
        registries={source.host: {"max-concurrent": 5, "transfers": "1000/1h"}},
        skopeo=slow_skopeo(cluster.folder, 0.3),
    )
    port = free_port()
    exporter = ManagedProcess(
        [str(BIN / "dregsy"), "metrics", "--port", str(port), "--address", "127.0.0.1"],
        tmp_path / "exporter",
        env={**os.environ, "DREGSY_REDIS_URL": cluster.redis.url},
    )

    def scrape() -> dict[str, float]:
        text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        return {m[1]: float(m[2]) for m in re.finditer(r"^(dregsy\S*) (\S+)$", text, re.MULTILINE)}

    try:
        wait_until(lambda: "metrics of the cluster" in exporter.output())
        time.sleep(0.5)
        assert scrape()["dregsy_workers"] == 0
        workers = [cluster.worker(config, f"w{n}") for n in range(2)]
        cluster.beat(config)
        cluster.wait_for("t", lambda counts: counts.copied >= 5)
        during = scrape()
        assert during["dregsy_workers"] == 2
        assert 1 <= during[f'dregsy_registry_transfers{{registry="{source.host}"}}'] <= 5
        assert during[f'dregsy_registry_limit{{limit="max-concurrent",registry="{source.host}"}}'] == 5
        assert during['dregsy_mirror_lag_seconds{task="t"}'] > 0
        cluster.wait_for("t", lambda counts: counts.done)
        cluster.wait_for("bad", lambda counts: counts.done)
        after = scrape()
        assert after['dregsy_jobs_total{reason="missing",status="copied",task="t"}'] == 30
        assert after['dregsy_jobs_total{reason="planning",status="failed",task="bad"}'] == 1
        assert after['dregsy_transfer_seconds_count{task="t"}'] == 30
        assert after['dregsy_transfer_seconds_sum{task="t"}'] > 30 * 0.3
        assert after['dregsy_transferred_bytes_total{task="t"}'] > 30 * 512
        assert 'dregsy_transferred_bytes_total{task="bad"}' not in after
        assert after['dregsy_mirror_lag_seconds{task="t"}'] == 0
        assert abs(after['dregsy_last_good_run_timestamp_seconds{task="t"}'] - time.time()) < 30
        assert 'dregsy_last_good_run_timestamp_seconds{task="bad"}' not in after
        assert after['dregsy_jobs_now{state="running"}'] == after['dregsy_jobs_now{state="waiting"}'] == 0
        # a change that cannot be synced makes the mirror lag
        for worker in workers:
            worker.process.stop()
        push_image(source, "lib/app", "7", seed="new")
        cluster.worker(config, "poor", PATH="/nowhere")
        cluster.start("t")
        cluster.wait_for("t", lambda counts: counts.open == 1, timeout=60)
        time.sleep(2)
        assert scrape()['dregsy_mirror_lag_seconds{task="t"}'] > 1
    finally:
        exporter.kill()


@pytest.mark.timeout(150)
def test_bytes_are_those_that_were_sent(cluster: Cluster, source: Registry, target: Registry) -> None:
    overview = Overview(connect(cluster.redis.url))
    size = 3_000_000
    push_image(source, "lib/large", "1", size=size, layers=2)
    config = write_config(
        cluster.folder,
        task("large", location(source), location(target), mapping("lib/large"), interval=3600),
        task("small", location(source), location(target), mapping("lib/small"), interval=3600),
    )
    push_many(source, "lib/small", [f"{n}" for n in range(20)], size=500)
    cluster.worker(config, "w1")
    cluster.beat(config)
    first = [cluster.wait_for(name, lambda counts: counts.done) for name in ("large", "small")]
    assert [counts.copied for counts in first] == [1, 20]
    sent = overview.transferred_bytes()
    assert size <= sent["large"] < size + 500_000
    assert sent["small"] >= 20 * 500, "also of copies that take a moment only"
    for counts in first:
        cluster.start(counts.task)
        again = cluster.wait_for(counts.task, lambda now, counts=counts: now.run != counts.run and now.done)  # type: ignore[misc]
        assert again.copied == 0
    assert overview.transferred_bytes() == sent, "what is up to date moves nothing"
    push_image(source, "lib/large", "2", size=size, layers=2, seed="lib/large:1")
    cluster.start("large")
    cluster.wait_for("large", lambda counts: counts.done and counts.copied)
    assert overview.transferred_bytes()["large"] < sent["large"] + 500_000, "layers that the target has are not sent"


@pytest.mark.timeout(120)
def test_health_and_status(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(3)])
    config = write_config(cluster.folder, task("t", location(source), location(target), mapping("lib/app")))
    host = socket.gethostname()
    for role in ("worker", "scheduler"):
        done = run(cluster, "health", role)
        assert (done.returncode, done.stdout) == (1, f"unhealthy: no {role} of {host} is alive\n")
    worker, scheduler = cluster.worker(config, "w1"), cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.done)
    assert run(cluster, "health", "worker", "--host", "lab").returncode == 0
    assert run(cluster, "health", "worker", "--host", "other").returncode == 1
    assert run(cluster, "health", "scheduler").stdout == f"healthy: a scheduler of {host} is alive\n"
    assert run(cluster, "health").returncode == 0

    shown = run(cluster, "status").stdout
    assert "w1@lab" in shown and source.host in shown and re.search(r"t\s+done\s+3\s+0\s+0", shown)
    document = json.loads(run(cluster, "status", "--json").stdout)
    assert document["tasks"]["t"]["copied"] == 3 and len(document["tasks"]["t"]["jobs"]) == 3
    assert [found["slots"] for found in document["workers"]] == [16]

    worker.process.stop()
    scheduler.process.stop()
    assert run(cluster, "health", "worker", "--host", "lab").returncode == 1
    cluster.redis.stop()
    done = run(cluster, "health")
    assert done.returncode == 1 and done.stdout.startswith("unhealthy: Redis does not answer")
    assert "Traceback" not in done.stderr
    done = run(cluster, "health", "worker", "--liveness")
    assert done.returncode == 0 and "Redis does not answer" in done.stdout, "a restart would not bring Redis back"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a process another host name")
def test_a_standby_is_healthy_too(cluster: Cluster, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1"])
    config = write_config(
        cluster.folder, task("t", location(source), location(target), mapping("lib/app"), interval=30)
    )
    cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.run)
    environment = {**os.environ, "DREGSY_REDIS_URL": cluster.redis.url, "DREGSY_CONFIG": str(config)}
    command = f"hostname standby && exec {BIN / 'celery'} -A dregsy_queue beat"
    standby = ManagedProcess(
        ["unshare", "--uts", "sh", "-c", command], cluster.folder / "standby", env=environment, cwd=cluster.folder
    )
    try:

        def healthy() -> bool:
            return run(cluster, "health", "scheduler", "--host", "standby").returncode == 0

        wait_until(healthy, timeout=30, what="a healthy standby")
        redis, mark = cluster.redis.client(), "dregsy:scheduler:standby"
        redis.expire(mark, 7)
        wait_until(lambda: redis.ttl(mark) > 10, timeout=20, what="a mark that is renewed")
        assert healthy()
        assert "run started" not in standby.output(), "it stands by"
    finally:
        standby.kill()
