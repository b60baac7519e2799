"""A server far away: a TCP relay that hands on every byte a while later."""

from __future__ import annotations

import asyncio

from tests.lab.tcp_relay import CHUNK, TcpRelay

#: chunks under way per direction: more than any link here holds in its delay
_UNDER_WAY = 1024


class DelayedRelay(TcpRelay):
    """Each byte comes out `delay` seconds after it went in, in each direction and in order, so 0.025 gives round trips
    of 50 ms. Bytes do not wait for each other: a long answer costs the delay once. Opening a connection costs nothing.
    """

    def __init__(self, host: str, port: int, delay: float = 0.025) -> None:
        super().__init__(host, port)
        self.delay = delay

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        """The end, too, arrives late."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)

        async def deliver() -> None:
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            self._end(writer)

        async with asyncio.TaskGroup() as ends:
            ends.create_task(deliver())
            while data := await reader.read(CHUNK):
                await under_way.put((asyncio.get_running_loop().time() + self.delay, data))
            await under_way.put((asyncio.get_running_loop().time() + self.delay, b""))
