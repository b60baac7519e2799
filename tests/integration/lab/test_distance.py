"""The relay delays every byte, keeps their order, and lets many be under way."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest
import requests

from tests.lab.distance import DelayedRelay
from tests.lab.images import push_image
from tests.lab.registry import Registry

DELAY = 0.1


class _Echo(socketserver.BaseRequestHandler):
    """Says everything back, and "end" after the other side's end."""

    def handle(self) -> None:
        while data := self.request.recv(1 << 16):
            self.request.sendall(data)
        self.request.sendall(b"end")


@pytest.fixture
def echo() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def far(echo: int) -> Iterator[socket.socket]:
    with DelayedRelay("127.0.0.1", echo, DELAY) as relay, socket.create_connection(("127.0.0.1", relay.port)) as end:
        end.settimeout(20)
        yield end


def receive(end: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size and (data := end.recv(1 << 16)):
        got += data
    return bytes(got)


def test_a_round_trip_takes_both_delays(far: socket.socket) -> None:
    for _ in range(3):
        began = time.monotonic()
        far.sendall(b"ping")
        assert receive(far, 4) == b"ping"
        assert time.monotonic() - began >= 2 * DELAY


def test_what_is_sent_one_after_another_is_under_way_together(far: socket.socket) -> None:
    began = time.monotonic()
    for number in range(40):
        far.sendall(bytes([number]))
        time.sleep(0.005)
    assert receive(far, 40) == bytes(range(40)), "in order"
    assert time.monotonic() - began < 40 * DELAY, "each after the other would take 8 s"


def test_much_data_comes_whole_and_in_order(far: socket.socket) -> None:
    sent = b"".join(hashlib.sha256(str(number).encode()).digest() for number in range(300_000))
    threading.Thread(target=far.sendall, args=(sent,), daemon=True).start()
    assert receive(far, len(sent)) == sent


def test_the_end_of_one_direction_leaves_the_other_open(far: socket.socket) -> None:
    far.sendall(b"last")
    far.shutdown(socket.SHUT_WR)
    assert receive(far, 100) == b"lastend"


def test_a_registry_through_it(source: Registry) -> None:
    digest = push_image(source, "lib/app", "1", size=2_000_000)
    blob = source.manifest("lib/app", "1").json()["layers"][0]
    with DelayedRelay("127.0.0.1", source.port, 0.025) as relay, requests.Session() as session:
        url = f"{relay.url}/v2/lib/app"
        session.get(f"{relay.url}/v2/", timeout=20)
        began = time.monotonic()
        assert session.head(f"{url}/manifests/{digest}", timeout=20).status_code in (200, 404)
        assert time.monotonic() - began >= 0.05
        content = session.get(f"{url}/blobs/{blob['digest']}", timeout=20).content
        assert "sha256:" + hashlib.sha256(content).hexdigest() == blob["digest"]
        assert relay.connections == 1, "kept alive"
        host = relay.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", host), timeout=5)


def test_nobody_behind_it_ends_the_connection(source: Registry) -> None:
    source.stop()
    with (
        DelayedRelay("127.0.0.1", source.port, 0.01) as relay,
        socket.create_connection(("127.0.0.1", relay.port)) as end,
    ):
        end.settimeout(10)
        with contextlib.suppress(ConnectionResetError):
            assert end.recv(10) == b""
