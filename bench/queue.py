"""What does a job cost beside its copy? No-op jobs per second of one worker, and of two."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import planned_run
from dregsy_queue.config.load import load
from dregsy_queue.ledger.connection import Connection, connect
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.report import RunReader
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.processes import ManagedProcess, wait_until
from tests.lab.redis import RedisServer

JOBS, SLOTS = 3000, 16
HOST = "source.example"
#: What is asked of one worker, in jobs per second.
LEAST = 700


@dataclass(frozen=True)
class Measured:
    #: jobs per second
    rate: float
    #: CPU seconds of the workers and of Redis per job, and commands at Redis per job, those of scripts among them
    cpu: float
    redis_cpu: float
    commands: float
    #: most bytes of each worker's memory, and of Redis' since it began
    memory: Sequence[int]
    redis: int


def main() -> None:
    for workers in (1, 2):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            found = measure(Path(name), workers)
        verdict = ("ok" if found.rate >= LEAST else "SLOW") if workers == 1 else ""
        print(
            f"{workers} worker{'s' * (workers > 1)}: {found.rate:5.0f} no-op jobs/s; a job takes "
            f"{found.cpu * 1e3:.2f} ms of CPU, "
            f"and {found.redis_cpu * 1e3:.2f} ms and {found.commands:.0f} commands of Redis {verdict}",
            flush=True,
        )


def measure(folder: Path, workers: int, jobs: int = JOBS, timeout: float = 120) -> Measured:
    """Let `workers` do `jobs` that do nothing, within `timeout` seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    source = location(HOST)
    config = write_config(folder, task("noop", source, location("target.example"), mapping("lib/a")), relay="direct")
    redis = RedisServer(folder / "redis").start()
    try:
        connection = connect(redis.url)
        _fill(connection, config, jobs)
        with contextlib.ExitStack() as stack:
            processes = [stack.enter_context(_worker(folder, config, redis, n)) for n in range(workers)]
            wait_until(lambda: connection.zcard("dregsy:workers") == workers, what="the workers")
            before, cpu, started = _redis(connection), sum(map(_cpu, processes)), time.monotonic()
            Orders(connection).release("task", "noop")
            reader = RunReader(connection)
            wait_until(lambda: (counts := reader.newest("noop")) and counts.done, timeout=timeout, what="the run")
            seconds = time.monotonic() - started
            redis_cpu, commands = (now - then for now, then in zip(_redis(connection), before, strict=True))
            return Measured(
                jobs / seconds,
                (sum(map(_cpu, processes)) - cpu) / jobs,
                redis_cpu / jobs,
                commands / jobs,
                [_most_memory(process) for process in processes],
                int(connection.info("memory")["used_memory_peak"]),
            )
    finally:
        redis.kill()


def _most_memory(process: psutil.Process) -> int:
    """Peak resident set (proc_pid_status(5))."""
    line = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) * 1024


def _fill(connection: Connection, config: Path, jobs: int) -> None:
    """A run whose jobs are held by a pause of their task."""
    (found,) = load(config).config.tasks
    planned_run.plan(connection, found, jobs, "direct", lambda: Orders(connection).hold("task", "noop", 0, "not yet"))


@contextlib.contextmanager
def _worker(folder: Path, config: Path, redis: RedisServer, number: int) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", "bench.queue", f"w{number}@bench"]
    environment = {"DREGSY_CONFIG": str(config), "DREGSY_REDIS_URL": redis.url, "LOG_LEVEL": "warn"}
    process = ManagedProcess(command, folder / f"w{number}.log", env={**os.environ, **environment})
    try:
        yield psutil.Process(process.process.pid)
    finally:
        process.process.kill()
        process.process.wait()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _redis(connection: Connection) -> tuple[float, float]:
    """CPU seconds and commands of Redis so far."""
    cpu = connection.info("cpu")
    return cpu["used_cpu_user"] + cpu["used_cpu_sys"], connection.info("stats")["total_commands_processed"]


def _run_worker(name: str) -> None:
    """A worker as users run it, whose copies do nothing."""
    from dregsy_queue.celery import app
    from dregsy_queue.ledger.outcome import Copied
    from workers.jobs import run

    run._copy = lambda worker, claim, job: Copied(job.digest, 0)
    sys.argv[1:] = []
    worker = app.Worker(hostname=name, quiet=True, concurrency=SLOTS)
    worker.start()


if __name__ == "__main__":
    _run_worker(sys.argv[1])
