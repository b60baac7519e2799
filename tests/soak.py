"""A soak: thousands of jobs over flaky registries, while workers, schedulers and Redis are killed at random.

``make soak`` (ten minutes; SOAK="--jobs 500 --minutes 1" for less). At the end every target digest equals its source,
the ledger's counts equal the registries' truth, and no process, lease, lock or waiting job is left.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dregsy_queue.ledger.admission import Admission
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.report import RunCounts
from tests.lab.cluster import Cluster
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import processes_with, wait_until
from tests.lab.proxy import Faults, HubProxy
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry

REPOSITORIES = 20
WORKERS = 3
ENVIRONMENT = {"DREGSY_MAX_ATTEMPTS": "30", "DREGSY_BACKOFF": "0.5", "DREGSY_GRACE": "5"}


def main() -> int:
    parser = argparse.ArgumentParser(description="Soak test; see the text at the top of tests/soak.py.")
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=10, help="how long things are killed, at most")
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        return _soak(Path(name), options.jobs, options.minutes * 60, options.seed)


def _soak(folder: Path, jobs: int, seconds: float, seed: int) -> int:
    choice = random.Random(seed)
    source, target = Registry(folder / "source").start(), Registry(folder / "target").start()
    flaky_source = HubProxy(source, faults=Faults(unavailable=0.02, cut=0.02), seed=seed).start()
    flaky_target = HubProxy(target, faults=Faults(unavailable=0.02), seed=seed + 1).start()
    redis = RedisServer(folder / "redis", append_only=True).start()
    cluster = Cluster(folder, redis)
    try:
        print(f"seed {seed}: {jobs} images in {REPOSITORIES} repositories", flush=True)
        repositories = [f"lib/app{n}" for n in range(REPOSITORIES)]
        tags = [f"{n}" for n in range(jobs // REPOSITORIES)]
        for repository in repositories:
            push_many(source, repository, tags)
        names = [f"t{n}" for n in range(4)]
        tasks = [
            task(
                name,
                location(flaky_source.host),
                location(flaky_target.host),
                *(mapping(repository) for repository in repositories[place :: len(names)]),
            )
            for place, name in enumerate(names)
        ]
        config = write_config(folder, *tasks, registries={flaky_source.host: {"max-concurrent": 24}})
        workers = [cluster.worker(config, f"w{n}", **ENVIRONMENT) for n in range(WORKERS)]
        schedulers = [cluster.beat(config) for _ in range(2)]
        killed: Counter[str] = Counter()
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            time.sleep(choice.uniform(3, 9))
            counts = [found for name in names if (found := cluster.reader.newest(name))]
            print(
                f"  {time.monotonic() - started:4.0f} s: {sum(c.copied for c in counts)} copied, "
                f"{sum(c.open for c in counts)} open; killed {dict(killed)}",
                flush=True,
            )
            if len(counts) == len(names) and all(found.done for found in counts):
                break
            what = choice.choices(["worker", "worker terminated", "scheduler", "redis"], [5, 3, 2, 1])[0]
            killed[what] += 1
            if what == "redis":
                time.sleep(1.1)
                redis.kill()
                time.sleep(choice.uniform(0.5, 5))
                redis.start()
            elif what == "scheduler":
                place = choice.randrange(len(schedulers))
                schedulers[place].process.kill()
                schedulers[place] = cluster.beat(config)
            else:
                place = choice.randrange(len(workers))
                if what == "worker":
                    workers[place].process.kill()
                else:
                    workers[place].process.stop(timeout=30)
                workers[place] = cluster.worker(config, f"w{sum(killed.values()) + WORKERS}", **ENVIRONMENT)
        print("  no more killing", flush=True)
        finals = [cluster.wait_for(name, lambda counts: counts.done, timeout=600) for name in names]
        took = time.monotonic() - started
        ended = [role.process.stop(timeout=40) for role in (*workers, *schedulers)]
        problems = _problems(cluster, source, target, repositories, finals, jobs // REPOSITORIES * REPOSITORIES)
        left = processes_with(str(config))
        problems += [f"process left: {line}" for line in left]
        attempts = Counter(job.attempts for found in finals for job in cluster.reader.results(found.run))
        print(
            f"done in {took:.0f} s: {sum(found.copied for found in finals)} copied; killed {dict(killed)}; "
            f"attempts {dict(sorted(attempts.items()))}; exit codes {ended}"
        )
        for problem in problems:
            print(f"PROBLEM: {problem}")
        return 1 if problems else 0
    finally:
        for role in cluster.roles:
            role.process.kill()
        redis.kill()
        flaky_source.stop()
        flaky_target.stop()
        source.stop()
        target.stop()


def _problems(
    cluster: Cluster, source: Registry, target: Registry, repositories: list[str], finals: list[RunCounts], jobs: int
) -> list[str]:
    problems = []
    with ThreadPoolExecutor(8) as pool:

        def differing(repository: str) -> list[str]:
            return [
                f"{repository}:{tag} differs"
                for tag in source.tags(repository)
                if source.digest(repository, tag) != target.digest(repository, tag)
            ]

        for found in pool.map(differing, repositories):
            problems += found
    copied, failed = sum(found.copied for found in finals), sum(found.failed for found in finals)
    up_to_date = sum(found.up_to_date for found in finals)
    present = sum(len(target.tags(repository)) for repository in repositories)
    if (copied + up_to_date, failed, present) != (jobs, 0, jobs):
        problems.append(
            f"counts: {copied} copied, {up_to_date} up to date, {failed} failed, {present} at the target, of {jobs}"
        )
    client = cluster.redis.client()
    # A worker that was killed last has nobody left to notice: the next one that starts does.
    wait_until(lambda: not _reaped(cluster), timeout=40, what="the end of all leases")
    for pattern in ("running:*", "admitted:*", "backlog:*", "delayed", "targets", "using:*", "suspects"):
        problems += [f"left in Redis: {key!s}" for key in client.keys(f"dregsy:{pattern}")]
    return problems


def _reaped(cluster: Cluster) -> int:
    """Workers whose lease stands, after one look at those whose lease has ended."""
    connection = connect(cluster.redis.url)
    Admission(connection).reap()
    left = connection.zcard("dregsy:workers")
    connection.close()
    return left


if __name__ == "__main__":
    sys.exit(main())
