"""A registry in memory, as source or target, bent by quirks; all of them share one thread."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from functools import cache

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from tests.lab.loop_thread import LoopThread
from tests.lab.odd.exchange import Answer, Ask, Next, Quirk, kind_of
from tests.lab.odd.store import Store
from tests.lab.processes import free_port

#: Seconds for starting and stopping: it takes milliseconds, unless the machine is busy.
_PATIENCE = 60


@dataclass
class Logged:
    method: str
    #: with its query
    path: str
    status: int
    agent: str
    #: the whole header: tests ask what went where
    authorization: str
    body: bytes


class OddRegistry:
    """Starts at once; the first of `quirks` sees a request first. `host` is what configs name."""

    def __init__(self, *quirks: Quirk, tls: ssl.SSLContext | None = None, store: Store | None = None) -> None:
        self.store = store or Store()
        self.quirks = list(quirks)
        self.log: list[Logged] = []
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http{'s' if tls else ''}://{self.host}"
        self._runner: web.AppRunner | None = None
        _loop().run(self._start(tls), _PATIENCE)

    def stop(self) -> None:
        if self._runner is not None:
            _loop().run(self._runner.cleanup(), _PATIENCE)
            self._runner = None

    def count(self, method: str = "", pattern: str = "", status: int = 0, agent: str = "") -> int:
        return len(self.asked(method, pattern, status, agent))

    def asked(self, method: str = "", pattern: str = "", status: int = 0, agent: str = "") -> list[Logged]:
        found = re.compile(pattern)
        return [
            entry
            for entry in list(self.log)
            if method in ("", entry.method)
            and found.search(entry.path)
            and status in (0, entry.status)
            and agent in entry.agent
        ]

    async def _start(self, tls: ssl.SSLContext | None) -> None:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # Short: tests do not wait for connections that a client keeps open.
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls).start()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        kind, repository, reference = kind_of(request.path)
        ask = Ask(
            request.method,
            request.path,
            request.query,
            request.headers,
            await _read(request),
            request.host,
            kind,
            repository,
            reference,
        )
        entry = Logged(
            ask.method,
            request.path_qs,
            0,
            ask.headers.get("User-Agent", ""),
            ask.headers.get("Authorization", ""),
            ask.body,
        )
        self.log.append(entry)
        given = await self._next(0)(ask)
        entry.status = given.status
        return await _send(request, given)

    def _next(self, position: int) -> Next:
        if position < len(self.quirks):
            return lambda ask: self.quirks[position](ask, self._next(position + 1))

        async def plain(ask: Ask) -> Answer:
            return self.store.answer(ask)

        return plain


async def _read(request: web.Request) -> bytes:
    try:
        return await request.read()
    except ConnectionError:
        # Who sent it has gone.
        return b""


async def _send(request: web.Request, given: Answer) -> web.StreamResponse:
    if given.raw is not None:
        return _Raw(request, given.raw)
    headers = CIMultiDict(given.headers)
    if request.method != "HEAD" and given.cut is None:
        return web.Response(status=given.status, headers=headers, body=given.body)
    if request.method == "HEAD":
        headers.setdefault("Content-Length", str(len(given.body)))
        return web.Response(status=given.status, headers=headers)
    headers["Content-Length"] = str(len(given.body))
    response = web.StreamResponse(status=given.status, headers=headers)
    await response.prepare(request)
    await response.write(given.body[: given.cut])
    if request.transport is not None:
        request.transport.close()
    return response


class _Raw(web.StreamResponse):
    """Bytes as they stand, and the end of the connection."""

    def __init__(self, request: web.Request, content: bytes) -> None:
        super().__init__()
        self._request, self._content = request, content

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        transport = self._request.transport
        if transport is not None and not transport.is_closing():
            transport.write(self._content)
            transport.close()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        pass


@cache
def _loop() -> LoopThread:
    loop = LoopThread()
    loop.start()
    return loop
