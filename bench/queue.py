"""What does a job cost beside its copy? No-op jobs per second of one worker, and of two."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
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


def main() -> None:
    for workers in (1, 2):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            rate, cpu, calls = _measure(Path(name), workers)
        verdict = ("ok" if rate >= LEAST else "SLOW") if workers == 1 else ""
        print(
            f"{workers} worker{'s' * (workers > 1)}: {rate:5.0f} no-op jobs/s, {cpu * 1e3:.2f} ms of CPU "
            f"and {calls:.1f} commands of Redis a job {verdict}",
            flush=True,
        )


def _measure(folder: Path, workers: int) -> tuple[float, float, float]:
    """Jobs per second, CPU seconds of the workers per job, and commands at Redis per job."""
    source = location(HOST)
    config = write_config(folder, task("noop", source, location("target.example"), mapping("lib/a")), relay="direct")
    redis = RedisServer(folder / "redis").start()
    try:
        connection = connect(redis.url)
        _fill(connection, config)
        with contextlib.ExitStack() as stack:
            processes = [stack.enter_context(_worker(folder, config, redis, n)) for n in range(workers)]
            wait_until(lambda: connection.zcard("dregsy:workers") == workers, what="the workers")
            before, cpu, started = _commands(connection), sum(map(_cpu, processes)), time.monotonic()
            Orders(connection).release("task", "noop")
            reader = RunReader(connection)
            wait_until(lambda: (counts := reader.newest("noop")) and counts.done, timeout=120, what="the run")
            seconds = time.monotonic() - started
            used = sum(map(_cpu, processes)) - cpu
            return JOBS / seconds, used / JOBS, (_commands(connection) - before) / JOBS
    finally:
        redis.kill()


def _fill(connection: Connection, config: Path) -> None:
    """A run whose jobs are held by a pause of their task."""
    (found,) = load(config).config.tasks
    planned_run.plan(connection, found, JOBS, "direct", lambda: Orders(connection).hold("task", "noop", 0, "not yet"))


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


def _commands(connection: Connection) -> int:
    return int(connection.info("stats")["total_commands_processed"])


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
