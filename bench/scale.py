"""What do 100,000 jobs weigh, in workers and in Redis, and how many of 100,000 tags are checked in a second?"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench import queue
from dregsy_queue.ledger.connection import connect
from tests.lab.cluster import own_cluster
from tests.lab.dregsy import location, mapping, task, write_config
from tests.lab.processes import wait_until
from tests.lab.redis import RedisServer

JOBS, TASKS, TAGS = 100_000, 10, 10_000
#: Tags of the one repository of a single task, and of one whose registry is far away: seconds until it answers.
ONE_TASK, FAR, AWAY = 30_000, 12_000, 0.1
MIB = 1 << 20


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        _jobs(Path(name) / "jobs")
        for tasks, tags, away in ((TASKS, TAGS, 0.0), (1, ONE_TASK, 0.0), (1, FAR, AWAY)):
            one, two = (
                _tags(Path(name) / f"{tasks}-{away}-{workers}", workers, tasks, tags, away) for workers in (1, 2)
            )
            print(f"  two workers check {two / one:.2f} times as many tags a second as one", flush=True)


def _jobs(folder: Path) -> None:
    measured = queue.measure(folder, workers=2, jobs=JOBS, timeout=1800)
    print(
        f"  {JOBS} no-op jobs, 2 workers: {measured.rate:.0f} a second; most memory of a worker "
        f"{max(measured.memory) / MIB:.0f} MiB, of Redis {measured.redis / MIB:.0f} MiB: "
        f"{measured.redis / JOBS:.0f} bytes a job",
        flush=True,
    )


def _tags(folder: Path, workers: int, number: int, tags: int, away: float = 0.0) -> float:
    """Tags per second of the runs of so many tasks, each of one repository with so many tags; source and target are
    the same in-memory registry, as far as is known. It answers after `away` seconds."""
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(_registry(tags, away))
        cluster = stack.enter_context(own_cluster(folder))
        made = [
            task(f"t{n}", location(host), location(host), mapping(f"from/app{n}", f"to/app{n}")) for n in range(number)
        ]
        config = write_config(folder, *made, relay="direct")
        roles = [cluster.worker(config, f"w{n}", "--concurrency", "64") for n in range(workers)]
        wait_until(lambda: cluster.redis.client().zcard("dregsy:workers") == workers, timeout=120, what="the workers")
        cluster.beat(config)
        runs = [cluster.wait_for(found["name"], lambda counts: counts.done, timeout=900) for found in made]
        assert sum(counts.up_to_date for counts in runs) == number * tags, "not all tags were up to date"
        seconds = max(counts.ended for counts in runs) - min(counts.started for counts in runs)
        memory = max(psutil.Process(role.process.pid).memory_info().rss for role in roles)
        rate = number * tags / seconds
        tasks = f"{number} task{'s' * (number > 1)}" + (f", {1000 * away:.0f} ms away" if away else "")
        crew = f"{workers} worker{'s' * (workers > 1)}"
        print(
            f"  {number * tags} tags of {tasks}, {crew}: {rate:.0f} tags a second, "
            f"memory of a worker {memory / MIB:.0f} MiB, of Redis {_used(cluster.redis) / MIB:.0f} MiB",
            flush=True,
        )
        return rate


def _used(redis: RedisServer) -> int:
    return int(connect(redis.url).info("memory")["used_memory"])


class _Registry(asyncio.Protocol):
    """A registry of one manifest under all tags: it costs little beside what it measures. HTTP/1.1, no bodies in."""

    _DIGEST = "sha256:" + "1" * 64
    _HEAD = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 400\r\n"
        f"Docker-Content-Digest: {_DIGEST}\r\n\r\n"
    ).encode()

    def __init__(self, tags: int, away: float) -> None:
        self._tags, self._away = tags, away

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's own
        self._transport, self._rest = transport, b""

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"\x16"):
            # A TLS handshake (RFC 8446, section 5.1): whoever asks learns that this is plain HTTP.
            self._transport.close()
            return
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        answers = b"".join(self._answer(request) for request in requests)
        if self._away:
            asyncio.get_running_loop().call_later(self._away, self._transport.write, answers)
        else:
            self._transport.write(answers)

    def _answer(self, request: bytes) -> bytes:
        if request.startswith(b"HEAD"):
            return self._HEAD
        body, more = b"{}", ""
        if b"/tags/list" in request:
            number, last = (re.search(pattern, request) for pattern in (rb"[?&]n=(\d+)", rb"[?&]last=t(\d+)"))
            start = int(last[1]) + 1 if last else 0
            end = min(self._tags, start + (int(number[1]) if number else self._tags))
            body = ('{"tags":[' + ",".join(f'"t{n:06}"' for n in range(start, end)) + "]}").encode()
            if end < self._tags:
                path = request.split(b" ")[1].split(b"?")[0].decode()
                more = f'Link: <{path}?n={end - start}&last=t{end - 1:06}>; rel="next"\r\n'
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        return head.encode() + body


@contextlib.contextmanager
def _registry(tags: int, away: float) -> Iterator[str]:
    """In a process of its own; gives its host."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(there, tags, away), daemon=True)
    process.start()
    try:
        yield f"127.0.0.1:{here.recv()}"
    finally:
        process.kill()
        process.join()


def _serve(told: Any, tags: int, away: float) -> None:  # noqa: ANN401 - a connection of multiprocessing
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Registry(tags, away), "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
