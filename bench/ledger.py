"""How long does one call hold Redis, with many waiting tasks and with a run of 100,000 jobs? What does a job weigh?

The ten slowest calls that Redis itself measured (``SLOWLOG``), without network; calls are made in pipelines.
"""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import cast

import redis

from dregsy_queue.ledger import scripts
from dregsy_queue.ledger.admission import Admission, Admitted
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.jobs import SyncRecord, TransferJob, job_id
from dregsy_queue.ledger.presence import Presence
from dregsy_queue.ledger.registry_limits import RegistryLimiter
from dregsy_queue.ledger.runs import BATCH, Runs, Start
from dregsy_queue.ledger.scripts import Scripts
from dregsy_queue.oci.digest import Digest
from tests.lab.redis import RedisServer

TASKS, JOBS = (10, 1_000, 10_000), 100_000
WORKER = "w@bench#1"
_LUA = files("dregsy_queue.ledger") / "lua"
#: Hash of a script, as Redis knows it → its name.
_NAMES = {
    hashlib.sha1(scripts._source(file.name.removesuffix(".lua")).encode(), usedforsecurity=False).hexdigest(): file.name
    for file in _LUA.iterdir()
    if file.name.endswith(".lua")
}
#: Calls in one pipeline.
PIPELINE = 500


def main() -> None:
    for number in TASKS:
        with _redis() as client:
            _waiting(Bench(client), number)
    with _redis() as client:
        _large_run(Bench(client))


@contextmanager
def _redis() -> Iterator[redis.Redis]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        server = RedisServer(Path(folder) / "redis", unix_socket=True).start()
        try:
            with server.client() as client:
                # microseconds
                client.config_set("slowlog-log-slower-than", 200)
                client.config_set("slowlog-max-len", 100_000)
                yield client
        finally:
            server.kill()


class Bench:
    """A worker with any number of slots, and a scheduler."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.connection = cast(Connection, client)
        self.admission, self.scripts = Admission(self.connection), Scripts(self.connection)

    def offer(self, slots: int, *kinds: str) -> None:
        Presence(self.connection).heartbeat(WORKER, slots=slots, kinds=kinds)

    def told(self, what: str) -> None:
        """The slowest calls since the last time."""
        calls = self.client.slowlog_get(100_000)
        self.client.slowlog_reset()
        slowest = sorted(((call["duration"] / 1000, _script(call["command"])) for call in calls), reverse=True)[:10]
        median = statistics.median([0.0, *(milliseconds for milliseconds, _ in slowest)][-10:])
        first = ", ".join(f"{script} {milliseconds:.1f}" for milliseconds, script in slowest[:3])
        print(f"  {what}: median of the ten slowest calls {median:.1f} ms ({first})", flush=True)

    def memory(self) -> int:
        return int(self.client.info("memory")["used_memory"])

    def run_all(self, script: str, calls: Sequence[Sequence[str | float]]) -> None:
        for start in range(0, len(calls), PIPELINE):
            for answer in self.scripts.run_all(script, calls[start : start + PIPELINE]):
                if isinstance(answer, Exception):
                    raise answer

    def plan(self, tasks: dict[str, list[TransferJob]]) -> None:
        """A planned run of each task."""
        runs = Runs(self.connection)
        starts = [
            Start(task=task, fingerprint="f", priority=5, kept=2, source=jobs[0].source.partition("/")[0], target="dst")
            for task, jobs in tasks.items()
        ]
        started = [
            run for start in range(0, len(starts), PIPELINE) for run in runs.start_all(starts[start:][:PIPELINE])
        ]
        names = {run.run: task for run, task in zip(started, tasks, strict=True) if not isinstance(run, Exception)}
        self.offer(2 * len(tasks) + 1, "plan")
        plans: list[Admitted] = []
        while len(plans) < len(tasks):
            plans += self.admission.admit()
        self.run_all("claim", [(plan.job, plan.epoch, WORKER, "token") for plan in plans])
        self.run_all("add_planned", [call for plan in plans for call in _planned(plan, tasks[names[_run(plan)]])])
        self.run_all("end_plan", [(plan.job, plan.epoch, WORKER, "", 0, "token", 0) for plan in plans])

    def run_admitted(self) -> int:
        """What may run now is copied; returns how many that were."""
        admitted = self.admission.admit(1000)
        self.run_all("claim", [(job.job, job.epoch, WORKER, "token") for job in admitted])
        self.run_all("settle", [_copied(job) for job in admitted])
        return len(admitted)

    def reap(self) -> None:
        while self.admission.reap().more:
            pass


def _script(command: bytes | str) -> str:
    """The name of the script that a command of the slow log runs."""
    words = (command.decode() if isinstance(command, bytes) else command).split()
    return _NAMES.get(words[1], words[0]) if len(words) > 1 else words[0]


def _run(plan: Admitted) -> str:
    return plan.job.partition(":")[0]


def _job(number: int, task: str, source: str) -> TransferJob:
    digest = Digest(f"sha256:{number:064x}")
    names = f"{source}/library/{task}:1.0.{number}", f"dst/mirror/{task}:1.0.{number}"
    return TransferJob(*names, "", "skopeo", "missing", digest, digest)


def _planned(plan: Admitted, jobs: list[TransferJob]) -> Iterator[tuple[str | int, ...]]:
    for start in range(0, len(jobs), BATCH):
        values: list[str] = []
        for job in jobs[start : start + BATCH]:
            values += [job_id(_run(plan), job.source, job.target, ""), job.relay, job.target, job.to_json(), "", ""]
        yield plan.job, plan.epoch, WORKER, *values


def _copied(admitted: Admitted) -> tuple[str | int, ...]:
    assert admitted.transfer
    digest = admitted.transfer.digest
    record = str(SyncRecord(digest, digest))
    return admitted.job, admitted.epoch, WORKER, "copied", 0, digest, "", "1.000", record, 0, 1000, "token"


def _waiting(bench: Bench, number: int) -> None:
    """`number` tasks that wait for paused registries (every tenth for one of its own), and one that can run."""
    sources = {f"task{task}": f"paused{task if task % 10 == 0 else ''}" for task in range(number)}
    bench.plan({task: [_job(n, task, source) for n in range(3)] for task, source in sources.items()})
    limiter = RegistryLimiter(bench.connection)
    for source in set(sources.values()):
        limiter.pause(source, 3600)
    bench.plan({"free": [_job(n, "free", "src") for n in range(500)]})
    bench.reap()
    bench.told(f"{number} tasks: planning them")
    done = looks = 0
    while done < 500:
        bench.offer(64, "plan", "skopeo")
        bench.admission.reap()
        done += bench.run_admitted()
        looks += 1
    bench.told(f"{number} tasks that wait: {looks} looks for 500 jobs of another one")


def _large_run(bench: Bench) -> None:
    jobs = [_job(n, "large", "src") for n in range(JOBS)]
    before = bench.memory()
    _timed(bench, f"planning {JOBS} jobs", lambda: bench.plan({"large": jobs}))
    print(f"  memory: {(bench.memory() - before) / JOBS:.0f} bytes for each job that waits", flush=True)
    _timed(bench, "looking around and sweeping up", bench.reap)

    def run_through() -> None:
        left = JOBS
        while left:
            bench.offer(64, "plan", "skopeo")
            left -= bench.run_admitted()
            bench.admission.reap()

    _timed(bench, "running it to its end", run_through)
    print(f"  memory: {(bench.memory() - before) / JOBS:.0f} bytes for each job that has ended", flush=True)
    _timed(bench, "planning it once more", lambda: bench.plan({"large": jobs}))
    assert bench.client.hget("dregsy:task:large", "active")
    _timed(bench, "cancelling it", lambda: _cancel(bench))
    bench.plan({"large": jobs[:1]})
    _timed(bench, "forgetting it", bench.reap)


def _cancel(bench: Bench) -> None:
    bench.scripts.run("cancel", str(bench.client.hget("dregsy:task:large", "active")), "why not")
    bench.reap()


def _timed(bench: Bench, what: str, do: Callable[[], None]) -> None:
    began = time.monotonic()
    do()
    bench.told(f"{what} ({time.monotonic() - began:.0f} s)")
