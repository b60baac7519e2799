"""Requests to one registry: its scheme, its login, retries, and limits of rate."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlencode

from yarl import URL

from dregsy_queue import backoff
from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.concurrency import SingleFlight
from dregsy_queue.oci.hosts import api_host, registry_key
from dregsy_queue.registry import responses
from dregsy_queue.registry.credentials.source import CredentialsSource
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.exchange import BIGGEST, Body, Incoming, NotHTTPSError, exchange, host_of, invalid
from dregsy_queue.registry.http import aiohttp
from dregsy_queue.registry.origins import parse_url, same_origin
from dregsy_queue.registry.responses import Answer
from dregsy_queue.registry.signing_in.authorization import Authorization
from dregsy_queue.registry.signing_in.challenge import parse_challenges
from dregsy_queue.registry.throttle import Pacer

#: What a path of the API is about.
_KINDS = re.compile(r"/(manifests|blobs/uploads|blobs|tags|referrers|_catalog)(?:/|$)")
#: Longest time for one request whose answer is read whole, in seconds.
_WHOLE = 120.0
#: Seconds after which HTTPS is tried again where nothing answered by it, and something did by HTTP.
PLAIN_FOR = 300.0


@dataclass(frozen=True)
class RetryPolicy:
    """How temporary errors are met: up to `tries` requests, with waits as `backoff` has them.

    A registry that asks for a longer wait than `longest` seconds is not waited for here.
    """

    tries: int = 3
    first: float = 0.2
    longest: float = 10.0
    clock: Clock = SYSTEM

    def wait(self, attempt: int, asked: float | None) -> float:
        """Seconds after failed attempt number `attempt` (from 1); `asked`: by the registry."""
        return backoff.delay(self.first, attempt, asked, longest=self.longest)


@dataclass(frozen=True)
class Request:
    """One request to a registry's API.

    `url` is a path of the registry, or a whole URL, as `Location` has them; one of another origin is asked without
    login. `what` it is about is said in errors. `scope`: what the login must allow; several are separated by spaces.
    A `body` that is a maker of pieces is called again when the registry wants another login first.
    """

    method: str
    url: str
    what: str
    scope: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = b""


class Transport:
    """Requests to the API of `registry`. `endpoint`: its base URL where that is not ``https://HOST``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        registry: str,
        *,
        endpoint: str | None,
        context: ssl.SSLContext,
        skip_verify: bool,
        source: CredentialsSource,
        pacer: Pacer,
        policy: RetryPolicy,
    ) -> None:
        self.registry = registry
        self._key = registry_key(registry)
        self._session = session
        self._home = self._secure_home = URL(endpoint or f"https://{api_host(registry)}", encoded=True)
        #: until when it is asked by HTTP, on the monotonic clock; None: for good, or it is asked by HTTPS
        self._plain_until: float | None = None
        self._context = context
        #: plain HTTP may be tried where HTTPS is not spoken
        self._may_be_plain = skip_verify and endpoint is None
        self._pacer = pacer
        self._policy = policy
        self._authorization = Authorization(
            registry, source, self._ask_token_server, lambda: self._home.scheme == "https", policy.clock
        )
        #: one request learns the scheme and the first challenge; all others wait for it together, then go at once
        self._greeting = SingleFlight[str, None]()
        self._first, self._begun = asyncio.Lock(), False

    async def request(self, request: Request, *, limit: int = BIGGEST, tries: int | None = None) -> Answer:
        """Send a request and read its answer, of at most `limit` bytes. `tries`: other than usual.

        Any status but 401 and temporary ones is the caller's to judge.

        Raises:
            RegistryError: no answer, no login, or a temporary error that stayed.
        """
        most = tries or self._policy.tries
        for attempt in range(1, most + 1):
            try:
                answer = await self._read(request, limit)
                if answer.status not in responses.TEMPORARY:
                    return answer
                raise responses.error(answer, self.registry, request.what)
            except RegistryError as error:
                asked = error.retry_after
                if attempt == most or not error.temporary or (asked or 0) > self._policy.longest:
                    raise
            await self._policy.clock.sleep(self._policy.wait(attempt, asked))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _read(self, request: Request, limit: int) -> Answer:
        try:
            # The time that it waits for its turn is not the registry's.
            async with asyncio.timeout(None) as bound, await self._answer(request, partial(_start, bound)) as incoming:
                content = b"" if request.method == "HEAD" else await incoming.read(limit)
                return Answer(incoming.status, incoming.headers, content, str(incoming.url))
        except TimeoutError:
            raise self._too_late(request.what) from None

    def _too_late(self, what: str) -> RegistryError:
        text = f"{self.registry}: {what}: no whole answer within {_WHOLE:.0f} s"
        return RegistryError(text, kind="unavailable", temporary=True, registry=self.registry)

    @contextlib.asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Incoming]:
        """Send one request, signed in for its scope, and give its answer to be streamed. No retries.

        Raises:
            RegistryError: no answer, or no login.
        """
        async with await self._answer(request) as incoming:
            yield incoming

    async def _answer(self, request: Request, sent: Callable[[], None] = lambda: None) -> Incoming:
        """The answer to one request, signed in for its scope; the caller's to close. `sent` is called whenever it goes
        out. Raises: RegistryError."""
        if self._plain_until is not None and self._policy.clock.monotonic() >= self._plain_until:
            self._forget_scheme()
        if not self._begun and (first := await self._as_greeting(request, sent)):
            return first
        if not self._begun:
            await self.greet()
        # Another request may find out meanwhile that its scheme has changed.
        home, target = self._home, self._absolute(request.url)
        header = await self._authorization.header(request.scope) if same_origin(target, home) else ""
        incoming = await self._paced(request, target, header, sent, home)
        if _is_refused(incoming, header) and same_origin(incoming.url, home):
            async with incoming:
                again = await self._after_refusal(request.scope, header, incoming)
                if not again:
                    raise await self._refused(incoming, request.scope, request.what, home)
            incoming = await self._paced(request, target, again, sent, home)
        if incoming.status == 401:
            async with incoming:
                raise await self._refused(incoming, request.scope, request.what, home)
        return incoming

    def is_at_home(self, url: URL) -> bool:
        """Whether this is the registry's own origin."""
        return same_origin(url, self._home)

    def at_home(self, url: URL) -> URL:
        """The same path there."""
        return URL(f"{self._home.origin()}{url.raw_path_qs}", encoded=True)

    def room_with(self, other: Transport) -> AbstractAsyncContextManager[None]:
        """Room for a request to the other one that is sent while one to this one is under way."""
        return self._pacer.together([self._key, other._key])

    async def signs_in(self) -> bool:
        return await self._authorization.user() is not None

    async def greet(self) -> None:
        """Learn now what the first request would learn. Raises: RegistryError: no answer."""
        if not self._begun:
            await self._greeting.run("", self._greet)

    async def _as_greeting(self, request: Request, sent: Callable[[], None]) -> Incoming | None:
        """The very first request, where it reads something and nobody signs in: if it is answered as wished, no
        greeting is needed. None: it must be sent again; or another request was first."""
        async with self._first:
            wanted = not self._begun and request.method == "GET" and request.url.startswith("/")
            return None if not wanted or await self.signs_in() else await self._ask_first(request, sent)

    async def _ask_first(self, request: Request, sent: Callable[[], None]) -> Incoming | None:
        try:
            incoming = await self._exchange(request, self._absolute(request.url), "", sent, self._home, waits=False)
        except NotHTTPSError:
            if not self._may_be_plain:
                return None
            self._speak_plainly()
            incoming = await self._exchange(request, self._absolute(request.url), "", sent, self._home, waits=False)
        except RegistryError as error:
            if not self._may_be_plain or error.kind != "unavailable":
                raise
            return None
        self._begun = incoming.status == 200
        if incoming.status not in (401, 403, 404):
            return incoming
        async with incoming:
            if incoming.status == 401 and same_origin(incoming.url, self._home):
                challenge = parse_challenges(incoming.headers.getall("WWW-Authenticate", []))
                self._authorization.learn(challenge)
                self._begun = challenge is not None
        return None

    def _speak_plainly(self) -> None:
        self._home = self._home.with_scheme("http").with_port(self._home.explicit_port)

    def _forget_scheme(self) -> None:
        """Begin anew by HTTPS, which may be back."""
        self._home, self._plain_until, self._begun = self._secure_home, None, False
        self._greeting = SingleFlight()

    async def _greet(self) -> None:
        """Learn the scheme, and by the challenge of ``/v2/`` how to sign in, before anything is asked for.

        Source: OCI distribution-spec, "Determining Support"; registries hide private repositories from anonymous
        requests without a challenge.
        """
        try:
            incoming = await self._ping()
        except NotHTTPSError:
            if not self._may_be_plain:
                raise RegistryError(
                    f"{self.registry}: it does not speak HTTPS; if it is meant to speak plain HTTP, set "
                    "'skip-tls-verify: true'",
                    kind="tls",
                    temporary=False,
                    registry=self.registry,
                ) from None
            self._speak_plainly()
            incoming = await self._ping()
        except RegistryError as error:
            if not self._may_be_plain or error.kind != "unavailable":
                raise
            incoming = await self._ping_plainly(error)
        if incoming.status == 401 and same_origin(incoming.url, self._home):
            self._authorization.learn(parse_challenges(incoming.headers.getall("WWW-Authenticate", [])))
        self._begun = True

    async def _ping_plainly(self, problem: RegistryError) -> Incoming:
        """By HTTP, where HTTPS is not answered at all: its port is closed, or who listens does not know what to make of
        the first word of TLS. Only an answer of a registry counts, not one that sends us elsewhere.

        Raises: `problem`: there is none.
        """
        secure = self._home
        self._speak_plainly()
        try:
            incoming = await self._ping()
        except (RegistryError, NotHTTPSError):
            self._home = secure
            raise problem from None
        if incoming.status not in (200, 401) or not same_origin(incoming.url, self._home):
            self._home = secure
            raise problem
        self._plain_until = self._policy.clock.monotonic() + PLAIN_FOR
        return incoming

    async def _ping(self, login: str = "") -> Incoming:
        try:
            async with (
                self._pacer.request(self._key, waits=False) as observe,
                asyncio.timeout(_WHOLE),
                await exchange(
                    self._session,
                    "GET",
                    self._absolute("/v2/"),
                    context=self._context,
                    home=self._home if login else None,
                    authorization=login,
                ) as incoming,
            ):
                incoming.at_end(await observe(incoming.status, incoming.headers))
                return incoming
        except TimeoutError:
            raise self._too_late("/v2/") from None

    async def _after_refusal(self, scope: str, sent: str, incoming: Incoming) -> str:
        challenge = parse_challenges(incoming.headers.getall("WWW-Authenticate", []))
        return await self._authorization.after_refusal(scope, sent, challenge)

    async def _refused(self, incoming: Incoming, scope: str, what: str, home: URL) -> RegistryError:
        answer = Answer(incoming.status, incoming.headers, await incoming.read(), str(incoming.url))
        at_home = same_origin(incoming.url, home)
        user = await self._authorization.user() if at_home else None
        if not at_home or user is None:
            return responses.error(answer, self.registry if at_home else host_of(incoming.url), what, user)
        if self._authorization.is_accepted:
            return responses.error(answer, self.registry, what, user, accepted=True)
        problem = responses.error(answer, self.registry, what, user)
        if login := await self._authorization.basic_to_try(scope):
            accepted = (await self._ping(login)).status == 200
            await self._authorization.basic_was(accepted, scope, problem)
            return responses.error(answer, self.registry, what, user, accepted=accepted)
        return problem

    async def _paced(
        self, request: Request, url: URL, authorization: str, sent: Callable[[], None], home: URL
    ) -> Incoming:
        """`_exchange`, with an error that people understand."""
        try:
            return await self._exchange(request, url, authorization, sent, home)
        except NotHTTPSError:
            raise invalid(url, "it does not speak HTTPS") from None

    async def _exchange(
        self,
        request: Request,
        url: URL,
        authorization: str,
        sent: Callable[[], None],
        home: URL,
        *,
        waits: bool = True,
    ) -> Incoming:
        """One exchange under the registry's limits; `home` gets the login. Raises: NotHTTPSError."""
        incoming: Incoming | None = None
        try:
            async with self._pacer.request(self._key, _kind(request), waits=waits) as observe:
                sent()
                incoming = await exchange(
                    self._session,
                    request.method,
                    url,
                    context=self._context,
                    home=home,
                    authorization=authorization,
                    headers=request.headers,
                    body=request.body,
                )
                elsewhere = not same_origin(incoming.url, url)
                incoming.at_end(await observe(incoming.status, incoming.headers, elsewhere=elsewhere))
        except BaseException:
            if incoming is not None:
                incoming.close()
            raise
        return incoming

    def _absolute(self, url: str) -> URL:
        """A path at the registry's API, or a whole URL."""
        if self._begun and url.startswith("/") and "?" not in url and "#" not in url:
            # What the registry was asked by has been found good.
            return self._home.with_path(self._home.raw_path.rstrip("/") + url, encoded=True)
        target = parse_url(str(self._home).rstrip("/") + url if url.startswith("/") else url)
        if target is None:
            raise invalid(self._home, "it names a URL that cannot be asked")
        return target

    async def _ask_token_server(self, url: str, authorization: str, form: Mapping[str, str] | None) -> Answer:
        """`form`: sent by POST (OAuth 2); None: a GET. The login goes to the realm's own origin alone."""
        target = parse_url(url)
        if target is None:
            raise invalid(self._home, "it names a token server whose URL cannot be asked")
        try:
            async with (
                asyncio.timeout(_WHOLE),
                await exchange(
                    self._session,
                    "GET" if form is None else "POST",
                    target,
                    context=self._context,
                    home=target,
                    authorization=authorization,
                    headers={} if form is None else {"Content-Type": "application/x-www-form-urlencoded"},
                    body=b"" if form is None else urlencode(form).encode(),
                    secret_body=form is not None,
                ) as incoming,
            ):
                return Answer(incoming.status, incoming.headers, await incoming.read(), str(incoming.url))
        except NotHTTPSError:
            raise invalid(target, "signing in: the token server does not speak HTTPS") from None
        except TimeoutError:
            raise RegistryError(
                f"{target.authority}: signing in: the token server does not answer in time",
                kind="unavailable",
                temporary=True,
                registry=self.registry,
            ) from None


def _is_refused(incoming: Incoming, sent: str) -> bool:
    """Whether another login may help. Some registries say of a token that has ended that it is forbidden."""
    if incoming.status == 401:
        return True
    challenges = incoming.headers.getall("WWW-Authenticate", []) if sent.startswith("Bearer ") else []
    return incoming.status == 403 and any("invalid_token" in challenge for challenge in challenges)


def _start(bound: asyncio.Timeout) -> None:
    bound.reschedule(asyncio.get_running_loop().time() + _WHOLE)


def _kind(request: Request) -> str:
    """What requests have in common whose answers begin about as soon as each other's; "": not told apart, because
    there is a body to send, which takes its time."""
    path = request.url.partition("?")[0]
    if not isinstance(request.body, bytes) or ("/blobs/uploads/" in path and request.method != "POST"):
        return ""
    found = _KINDS.search(path)
    return f"{request.method} {found[1]}" if found else request.method
