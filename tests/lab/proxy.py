"""A registry with Docker Hub's manners and every fault a test wants: a reverse proxy before a real registry."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import secrets
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.lab.crowd import Crowd
from tests.lab.gauge import TransferGauge
from tests.lab.loop_thread import ThreadedServer
from tests.lab.processes import free_port
from tests.lab.registry import Registry


@dataclass
class Quota:
    """`limit` manifest GETs per `window` seconds (sliding); HEADs are free, as on Docker Hub."""

    limit: int
    window: float
    retry_after: bool = False
    #: say what is left in ratelimit-* headers
    headers: bool = True
    pulls: list[float] = field(default_factory=list)

    def left(self) -> int:
        now = time.monotonic()
        self.pulls = [pull for pull in self.pulls if now - pull < self.window]
        return self.limit - len(self.pulls)


@dataclass
class Logged:
    time: float
    method: str
    path: str
    status: int
    agent: str
    #: the scheme alone: "Basic", "Bearer" or ""
    authorization: str
    #: the values as they came, one per header line
    accept: tuple[str, ...] = ()


@dataclass
class Faults:
    """What goes wrong; probabilities are drawn with a fixed seed."""

    #: probability of a 503
    unavailable: float = 0.0
    #: probability that the body of a blob is cut half way
    cut: float = 0.0
    #: bytes per second of each blob that is read; 0: as fast as it goes
    rate: float = 0.0
    #: seconds before each answer
    latency: float = 0.0
    #: (method and path expression, status, body) answered instead
    answers: list[tuple[str, int, bytes]] = field(default_factory=list)
    #: headers that are left out of answers
    without_headers: tuple[str, ...] = ()
    #: how it bears many requests at once
    crowd: Crowd | None = None
    #: called with each request; a response returned is sent instead
    hook: Callable[[web.Request], Awaitable[web.StreamResponse | None]] | None = None


class HubProxy(ThreadedServer):
    """Starts on a free port, in a thread of its own; `host` is what configs name.

    `users`: bearer tokens are wanted, and given to these (anonymous ones too when `anonymous`).
    """

    def __init__(
        self,
        registry: Registry,
        *,
        quota: Quota | None = None,
        users: dict[str, str] | None = None,
        anonymous: bool = True,
        token_life: float = 300,
        faults: Faults | None = None,
        seed: int = 1,
    ) -> None:
        super().__init__()
        self.registry = registry
        self.quota, self.users, self.anonymous, self.token_life = quota, users, anonymous, token_life
        self.faults = faults or Faults()
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.log: list[Logged] = []
        self.tokens: dict[str, float] = {}
        self.tokens_given = 0
        #: repositories that relays talk about at this moment, and the most there ever were at once
        self.active: Counter[str] = Counter()
        self.most_active = 0
        self.transfers = TransferGauge()
        self._random = random.Random(seed)
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self._listening: tuple[web.SockSite, socket.socket] | None = None
        self._return: asyncio.Task[None] | None = None

    def refuse(self, seconds: float) -> None:
        """From now on, and for `seconds`, refuse new connections; those that are open stay."""
        self._loop.run(self._refuse(seconds))

    def revoke_tokens(self) -> None:
        self.tokens.clear()

    def count(self, method: str, pattern: str = "", status: int = 0) -> int:
        expression = re.compile(pattern)
        return sum(
            entry.method == method and bool(expression.search(entry.path)) and status in (0, entry.status)
            for entry in list(self.log)
        )

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0))
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/token", self._token)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        assert self._runner is not None
        listener = socket.create_server(("127.0.0.1", self.port))
        site = web.SockSite(self._runner, listener)
        await site.start()
        self._listening = site, listener

    async def _refuse(self, seconds: float) -> None:
        if self._return:
            self._return.cancel()
        if self._listening:
            site, listener = self._listening
            self._listening = None
            # A connection that asyncio has accepted, but not yet handed on, when its listener closes would stay
            # open and silent for ever: accept no more, let those through, then close.
            asyncio.get_running_loop().remove_reader(listener.fileno())
            for _ in range(3):
                await asyncio.sleep(0)
            await site.stop()
        self._return = asyncio.create_task(self._listen_after(seconds))

    async def _listen_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._listen()

    async def _stop(self) -> None:
        if self._return:
            self._return.cancel()
        if self._runner:
            await self._runner.cleanup()
        if self._session:
            await self._session.close()

    async def _token(self, request: web.Request) -> web.Response:
        header = request.headers.get("Authorization", "")
        allowed = self.anonymous and not header
        if header.startswith("Basic "):
            name, _, password = base64.b64decode(header[6:]).decode().partition(":")
            allowed = (self.users or {}).get(name) == password
        self._note(request, 200 if allowed else 401)
        if not allowed:
            return web.json_response({"errors": [{"code": "UNAUTHORIZED", "message": "no"}]}, status=401)
        token = secrets.token_hex(16)
        self.tokens[token] = time.monotonic() + self.token_life
        self.tokens_given += 1
        return web.json_response({"token": token, "expires_in": self.token_life})

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        repository = re.match(r"/v2/(.+?)/(?:manifests|blobs)/", request.path)
        if repository is None or request.headers.get("User-Agent", "").startswith("dregsy_queue"):
            return await self._gauge(request)
        self.active[repository[1]] += 1
        self.most_active = max(self.most_active, sum(count > 0 for count in self.active.values()))
        try:
            return await self._gauge(request)
        finally:
            self.active[repository[1]] -= 1

    async def _gauge(self, request: web.Request) -> web.StreamResponse:
        download = self.transfers.asked(request.method, request.path)
        try:
            return await self._among_others(request)
        finally:
            if download:
                self.transfers.finished()

    async def _among_others(self, request: web.Request) -> web.StreamResponse:
        if self.faults.crowd is None:
            return await self._answer(request)
        async with self.faults.crowd.request() as instead:
            return self._say(request, instead, b"") if instead else await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.faults.latency:
            await asyncio.sleep(self.faults.latency)
        if self.faults.hook:
            instead = await self.faults.hook(request)
            if instead is not None:
                self._note(request, instead.status)
                return instead
        for pattern, status, body in self.faults.answers:
            if re.search(pattern, f"{request.method} {request.path}"):
                return self._say(request, status, body)
        if self._random.random() < self.faults.unavailable:
            return self._say(request, 503, b"")
        if self.users is not None and not self._authorized(request):
            challenge = f'Bearer realm="http://{self.host}/token",service="lab"'
            return self._say(request, 401, _error("UNAUTHORIZED"), {"WWW-Authenticate": challenge})
        headers: dict[str, str] = {}
        if self.quota and "/manifests/" in request.path and request.method in ("GET", "HEAD"):
            left = self.quota.left()
            if request.method == "GET":
                if left <= 0:
                    wait = self.quota.window - (time.monotonic() - self.quota.pulls[0])
                    extra = {"Retry-After": str(int(wait) + 1)} if self.quota.retry_after else {}
                    return self._say(request, 429, _error("TOOMANYREQUESTS"), extra)
                self.quota.pulls.append(time.monotonic())
                left -= 1
            if self.quota.headers:
                window = f"w={self.quota.window:g}"
                headers = {
                    "ratelimit-limit": f"{self.quota.limit};{window}",
                    "ratelimit-remaining": f"{max(left, 0)};{window}",
                }
        try:
            return await self._forward(request, headers)
        except (aiohttp.ClientError, ConnectionError):
            # one side is gone in the middle
            return self._say(request, 502, b"")

    def _authorized(self, request: web.Request) -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.tokens.get(token, 0) > time.monotonic()

    async def _forward(self, request: web.Request, extra: dict[str, str]) -> web.StreamResponse:
        assert self._session is not None
        headers = request.headers.copy()
        for name in ("Host", "Authorization"):
            headers.popall(name, None)
        body: Any = request.content if request.can_read_body else None
        url = f"{self.registry.url}{request.raw_path}"
        async with self._session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            response = web.StreamResponse(status=answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("transfer-encoding", "connection", *self.faults.without_headers):
                    response.headers.add(name, value)
            response.headers.update(extra)
            self._note(request, answer.status)
            location = answer.headers.get("Location", "")
            self.transfers.answered(request.method, request.path, answer.status, location)
            await response.prepare(request)
            length = int(answer.headers.get("Content-Length", 0))
            is_blob = "/blobs/" in request.path and request.method == "GET"
            cut = is_blob and self._random.random() < self.faults.cut
            sent = 0
            async for chunk in answer.content.iter_chunked(64 * 1024):
                if cut and sent + len(chunk) >= length // 2:
                    await response.write(chunk[: max(0, length // 2 - sent)])
                    assert request.transport is not None
                    request.transport.abort()
                    return response
                if is_blob and self.faults.rate:
                    await asyncio.sleep(len(chunk) / self.faults.rate)
                await response.write(chunk)
                sent += len(chunk)
            await response.write_eof()
            return response

    def _say(
        self, request: web.Request, status: int, body: bytes, headers: dict[str, str] | None = None
    ) -> web.Response:
        self._note(request, status)
        return web.Response(status=status, body=body, headers={"Content-Type": "application/json", **(headers or {})})

    def _note(self, request: web.Request, status: int) -> None:
        agent = request.headers.get("User-Agent", "")
        authorization = request.headers.get("Authorization", "").partition(" ")[0]
        accept = tuple(request.headers.getall("Accept", ()))
        self.log.append(
            Logged(time.monotonic(), request.method, request.raw_path, status, agent, authorization, accept)
        )


def _error(code: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
