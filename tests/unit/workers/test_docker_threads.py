"""A Docker daemon whose pulls hang holds up nobody but its own copies; one that dies during a pull is an error."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dregsy_queue.config.models import DockerSettings
from dregsy_queue.oci.reference import Reference
from workers.relays.docker.relay import _COPIES, DockerRelay
from workers.relays.relay import Access, Copy, RelayError


class Daemon(BaseHTTPRequestHandler):
    pulls = threading.Semaphore(0)
    over = threading.Event()

    def do_GET(self) -> None:
        self._answer(json.dumps({"ApiVersion": "1.41"}).encode() if "version" in self.path else b"OK")

    def do_POST(self) -> None:
        self.pulls.release()
        self.over.wait(60)
        self._answer(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def host() -> Iterator[str]:
    Daemon.over.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Daemon) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        Daemon.over.set()
        server.shutdown()


@pytest.mark.parametrize("said", ['19\r\n{"status":"Pulling from x"}\r\n', '5\r\n{"sta\r\n0\r\n\r\n', ""])
async def test_a_daemon_that_dies_during_a_pull_is_one_line(
    host: str, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    def pull(self: Daemon) -> None:
        self.wfile.write(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{said}".encode())
        self.close_connection = True

    monkeypatch.setattr(Daemon, "do_POST", pull)
    with pytest.raises(RelayError, match=r"^docker: the daemon at tcp://127.* ended the connection") as caught:
        await DockerRelay(DockerSettings(dockerhost=host)).copy(_copy())
    assert caught.value.temporary and "\n" not in str(caught.value)


async def test_a_daemon_that_says_nothing_for_long_is_given_up(host: str) -> None:
    with pytest.raises(
        RelayError, match=r"^docker: the daemon at tcp://127.* ended the connection .*timed out"
    ) as caught:
        await DockerRelay(DockerSettings(dockerhost=host), silence=0.5).copy(_copy())
    assert caught.value.temporary


def _copy() -> Copy:
    reference = Reference.parse_full("127.0.0.1:1/lib/app:1")
    nobody: Any = None
    anybody = Access(None, False, None, nobody)
    return Copy(reference, reference, anybody, anybody, all_platforms=False)


async def test_copies_that_hang_hold_up_neither_redis_nor_the_look_at_the_daemon(host: str) -> None:
    relay = DockerRelay(DockerSettings(dockerhost=host))
    copies = [asyncio.create_task(relay.copy(_copy())) for _ in range(_COPIES)]
    for _ in copies:
        await asyncio.to_thread(Daemon.pulls.acquire)
    assert await asyncio.wait_for(relay.problem(), 20) is None
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "Redis"), 20) == "Redis"
    assert not any(copy.done() for copy in copies)
    Daemon.over.set()
    await asyncio.gather(*copies, return_exceptions=True)
