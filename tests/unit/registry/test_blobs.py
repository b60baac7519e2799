"""Answers about blobs that do not come, and uploads that cannot be cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import pytest

from dregsy_queue.registry import blobs
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.credentials.source import Static
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.pool import Registries
from dregsy_queue.registry.tls import TLSSettings
from dregsy_queue.registry.transport import RetryPolicy

NOTHING = "Content-Length: 0\r\n\r\n"


@contextlib.asynccontextmanager
async def registry(**answers: str) -> AsyncIterator[tuple[RegistryClient, list[str]]]:
    """A client of a registry that answers by the request's method, and the requests that came."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                method, path, _ = head.split(" ", 2)
                asked.append(f"{method} {path}")
                answer = f"200 OK\r\n{NOTHING}" if path == "/v2/" else answers[method]
                writer.write(f"HTTP/1.1 {answer}".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    registries = Registries(endpoint_of=lambda _: f"http://127.0.0.1:{port}", policy=RetryPolicy(tries=2, first=0))
    try:
        yield registries.client("r.example", Static(None), TLSSettings()), asked
    finally:
        await registries.aclose()
        server.close()


async def get(client: RegistryClient) -> None:
    async with client.blobs.get("lib/app", "sha256:" + "0" * 64):
        pass


async def put(client: RegistryClient) -> None:
    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"12345"

    upload = blobs.Upload("lib/app", f"{client._transport._home}/v2/lib/app/blobs/uploads/1")
    await client.blobs.put_stream(upload, "sha256:" + "0" * 64, pieces, 5)


@pytest.mark.parametrize("call", [get, put])
async def test_an_answer_that_breaks_off_in_silence_is_an_error_of_the_registry(
    call: Callable[[RegistryClient], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "_PATIENCE", 0.2)
    silent = "500 Internal Server Error\r\nContent-Length: 10\r\n\r\n"
    async with registry(GET=silent, PUT=silent) as (client, _):
        with pytest.raises(RegistryError, match=r"^r\.example: .* of lib/app|upload to lib/app") as caught:
            await call(client)
    assert "no whole answer within 0.2 s" in str(caught.value)
    assert (caught.value.kind, caught.value.temporary) == ("unavailable", True)


async def test_an_upload_that_cannot_be_cancelled_says_nothing_about_the_right_to_push() -> None:
    opened = f"202 Accepted\r\nLocation: /v2/lib/app/blobs/uploads/7\r\n{NOTHING}"
    async with registry(POST=opened, DELETE=f"503 Service Unavailable\r\n{NOTHING}") as (client, asked):
        await client.may_push("lib/app")
    assert asked[-1] == "DELETE /v2/lib/app/blobs/uploads/7" and len(asked) == 3, "asked for once"
