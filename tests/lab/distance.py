"""A registry far away: a TCP relay that hands on every byte a while later."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from tests.lab.processes import free_port

_CHUNK = 64 * 1024
#: chunks under way per direction: more than any link here holds in its delay
_UNDER_WAY = 1024


class DelayedRelay:
    """Listens on a free port, in a thread of its own; `host` is what configs name.

    Each byte comes out `delay` seconds after it went in, in each direction and in order, so 0.025 gives round trips of
    50 ms. Bytes do not wait for each other: a long answer costs the delay once. Opening a connection costs nothing.
    """

    def __init__(self, host: str, port: int, delay: float = 0.025) -> None:
        self.delay = delay
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        #: accepted so far
        self.connections = 0
        self._behind = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    def start(self) -> DelayedRelay:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def stop(self) -> None:
        """Stop listening and cut what is open."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> DelayedRelay:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

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
                both.create_task(self._pass_on(reader, behind_writer))
                both.create_task(self._pass_on(behind_reader, writer))
        except* OSError:
            pass
        finally:
            behind_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, up to its end; the end, too, arrives late."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)

        async def deliver() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(due - self._loop.time())
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                with contextlib.suppress(OSError):
                    writer.write_eof()

        async with asyncio.TaskGroup() as ends:
            ends.create_task(deliver())
            while data := await reader.read(_CHUNK):
                await under_way.put((self._loop.time() + self.delay, data))
            await under_way.put((self._loop.time() + self.delay, b""))
