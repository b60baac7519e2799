"""A bad line to a server: answers get lost, or everything is swallowed without a word; and it can lead elsewhere."""

from __future__ import annotations

import asyncio
import random

from tests.lab.tcp_relay import CHUNK, TcpRelay


class BadLine(TcpRelay):
    """Good until told otherwise; the methods can be called from any thread."""

    def __init__(self, host: str, port: int, seed: int = 1) -> None:
        super().__init__(host, port)
        #: probability that an answer is lost: the request was carried out, and the connection is cut then
        self.losing = 0.0
        #: answers lost so far
        self.lost = 0
        self._random = random.Random(seed)
        self._silent = False
        #: counts silences: a connection that lived through one stays dead, as its bytes are gone
        self._silences = 0

    def fall_silent(self) -> None:
        """From now on nothing comes through and nothing is closed, as when a router between dies."""
        self._silent = True
        self._silences += 1

    def speak(self) -> None:
        """New connections work again; those from before stay open and dead."""
        self._silent = False

    def lead_to(self, host: str, port: int) -> None:
        """From now on to another server; connections to the old one are cut."""
        self._behind = (host, port)
        self.cut()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._silent:
            return await super()._connect(reader, writer)
        while await reader.read(CHUNK):
            pass
        return None

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        silences = self._silences
        while data := await reader.read(CHUNK):
            if self._silent or self._silences != silences:
                continue
            if answers and self._random.random() < self.losing:
                self.lost += 1
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        if not self._silent and self._silences == silences:
            self._end(writer)
        elif answers:
            # The server has closed it, and nobody hears of that.
            await asyncio.Event().wait()
