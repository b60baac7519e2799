"""How long does one call hold Redis, with many tasks that wait, and with a run of 100,000 jobs?

The ten slowest calls that Redis itself measured (``SLOWLOG``), without network.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import redis

from dregsy_queue.ledger.admission import Admission
from dregsy_queue.ledger.claims import Claim, Claims
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.ledger.outcome import Copied
from dregsy_queue.ledger.presence import Presence
from dregsy_queue.ledger.registry_limits import RegistryLimiter
from dregsy_queue.ledger.runs import Runs
from dregsy_queue.oci.digest import Digest
from tests.lab.redis import RedisServer

TASKS, JOBS = (10, 1_000, 10_000), 100_000
WORKER = "w@bench#1"


def main() -> None:
    for number in TASKS:
        with _redis() as client:
            _waiting(client, number)
    with _redis() as client:
        _large_run(client)


@contextmanager
def _redis() -> Iterator[redis.Redis]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        server = RedisServer(Path(folder) / "redis", unix_socket=True).start()
        try:
            with server.client() as client:
                client.config_set("slowlog-log-slower-than", 0)
                client.config_set("slowlog-max-len", 100_000)
                yield client
        finally:
            server.kill()


def _told(client: redis.Redis, what: str) -> None:
    calls = client.slowlog_get(100_000)
    client.slowlog_reset()
    slowest = sorted((call["duration"] / 1000 for call in calls), reverse=True)[:10]
    print(
        f"  {what}: slowest calls {slowest[0]:.1f} ms, median of the ten slowest {statistics.median(slowest):.1f} ms",
        flush=True,
    )


def _job(number: int, task: str, source: str = "src") -> TransferJob:
    digest = Digest(f"sha256:{number:064x}")
    return TransferJob(
        f"{source}/{task}:{number}", f"dst/team/{task}:{number}", "", "skopeo", "missing", digest, digest
    )


def _plan(connection: Connection, task: str, source: str, jobs: list[TransferJob]) -> None:
    """A planned run; the worker must have room for a plan."""
    runs, admission, claims = Runs(connection), Admission(connection), Claims(connection)
    runs.start(task, "f", priority=5, kept=2, source=source, target="dst")
    plan: Claim | None = None
    while plan is None:
        for admitted in admission.admit(200):
            claim = claims.take(admitted.job, admitted.epoch, WORKER)
            if claim and claim.transfer is None:
                plan = claim
    runs.add(plan, jobs)
    runs.end_plan(plan)


def _waiting(client: redis.Redis, number: int) -> None:
    """`number` tasks between a paused registry and another, and one that can run."""
    connection = cast(Connection, client)
    presence, admission, claims = Presence(connection), Admission(connection), Claims(connection)
    presence.heartbeat(WORKER, slots=4, kinds=("plan",))
    for task in range(number):
        # every tenth one has a registry of its own
        source = f"paused{task}" if task % 10 == 0 else "paused"
        _plan(connection, f"task{task}", source, [_job(n, f"task{task}", source) for n in range(3)])
    limiter = RegistryLimiter(connection)
    for task in range(number):
        if task % 10 == 0:
            limiter.pause(f"paused{task}", 3600)
    limiter.pause("paused", 3600)
    _plan(connection, "free", "src", [_job(n, "free") for n in range(500)])
    presence.heartbeat(WORKER, slots=64, kinds=("plan", "skopeo"))
    client.slowlog_reset()
    looks = done = 0
    while done < 500:
        presence.heartbeat(WORKER, slots=64, kinds=("plan", "skopeo"))
        admission.reap()
        for admitted in admission.admit():
            claim = claims.take(admitted.job, admitted.epoch, WORKER)
            if claim and claim.transfer:
                claims.settle(claim, Copied("d"), 1)
                done += 1
        looks += 1
    _told(client, f"{number} waiting tasks, {looks} looks for 500 jobs of another one")


def _large_run(client: redis.Redis) -> None:
    connection = cast(Connection, client)
    presence, admission, claims = Presence(connection), Admission(connection), Claims(connection)
    presence.heartbeat(WORKER, slots=4, kinds=("plan",))
    for name in ("planning", "planning again, and forgetting the first run"):
        _plan(connection, "large", "src", [_job(n, "large") for n in range(JOBS)])
        _told(client, f"{name}: {JOBS} jobs")
        while admission.reap().more:
            pass
        _told(client, "sweeping up after it")
        if name == "planning":
            presence.heartbeat(WORKER, slots=64, kinds=("plan", "skopeo"))
            left = JOBS
            while left:
                for admitted in admission.admit():
                    claim = claims.take(admitted.job, admitted.epoch, WORKER)
                    if claim:
                        claims.settle(
                            claim,
                            Copied("d"),
                            1,
                        )
                        left -= 1
            _told(client, "running it to its end")
