"""A TCP relay on loopback: what stands between two programs, so that a test can do something to what they say."""

from __future__ import annotations

import asyncio
import contextlib

from tests.lab.loop_thread import ThreadedServer
from tests.lab.processes import free_port

CHUNK = 64 * 1024


class TcpRelay(ThreadedServer):
    """Listens on a free port, in a thread of its own; `host` is what configs name. It hands everything on at once.

    A subclass says what else happens to one direction, in `_pass_on`.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        #: accepted so far
        self.connections = 0
        self._behind = (host, port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Cut all connections that are open."""
        self._loop.run(self._cut())

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut()

    async def _cut(self) -> None:
        cut = list(self._open)
        for task in cut:
            task.cancel()
        await asyncio.gather(*cut, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._open.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(*self._behind)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass_on(reader, behind_writer, answers=False))
                both.create_task(self._pass_on(behind_reader, writer, answers=True))
        except* OSError:
            pass
        finally:
            behind_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        """One direction, up to its end; `answers`: that from the server."""
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        self._end(writer)

    @staticmethod
    def _end(writer: asyncio.StreamWriter) -> None:
        if writer.can_write_eof():
            with contextlib.suppress(OSError):
                writer.write_eof()
