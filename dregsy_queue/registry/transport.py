"""Requests to one registry: scheme, login, retries, limits of time and size."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from dregsy_queue.oci.hosts import api_host, registry_key
from dregsy_queue.registry import responses
from dregsy_queue.registry.credentials.source import CredentialsSource
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.responses import Answer
from dregsy_queue.registry.signing_in.authorization import Authorization
from dregsy_queue.registry.signing_in.challenge import parse_challenges
from dregsy_queue.registry.throttle import Pacer

#: Biggest answer read, in bytes: a tag list of a million names fits its pages of 1,000.
BIGGEST = 16 * 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=10, sock_read=60)
_REDIRECTS = 5


@dataclass(frozen=True)
class RetryPolicy:
    """How temporary errors are met: up to `tries` requests, with waits drawn between 0 and a doubling bound.

    A registry that asks for a longer wait than `longest` seconds is not waited for here.
    """

    tries: int = 3
    first: float = 0.4
    longest: float = 10.0

    def wait(self, attempt: int) -> float:
        return random.uniform(0, min(self.first * 2**attempt, self.longest))  # noqa: S311 - spreads load


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
        self._base = endpoint or f"https://{api_host(registry)}"
        self._context = context
        #: plain HTTP may be tried where HTTPS is not spoken
        self._may_be_plain = skip_verify and endpoint is None
        self._pacer = pacer
        self._policy = policy
        self._authorization = Authorization(registry, source, self._fetch_token)
        # The first request goes alone: it learns scheme and login for all that wait.
        self._first = asyncio.Lock()
        self._learned = False

    async def request(
        self, method: str, url: str, *, what: str, scope: str = "", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request; `url` is a path, or a whole URL of the same registry.

        Any status but 401 and temporary ones is the caller's to judge.

        Raises:
            RegistryError: no answer, no login, or a temporary error that stayed.
        """
        for attempt in range(self._policy.tries):
            last = attempt == self._policy.tries - 1
            try:
                answer = await self._attempt(method, url, what, scope, dict(headers or {}))
            except RegistryError as error:
                if last or not error.temporary or (error.retry_after or 0) > self._policy.longest:
                    raise
                wait = error.retry_after or 0
            else:
                if answer.status not in responses.TEMPORARY:
                    return answer
                problem = responses.error(answer, self.registry, what)
                if last or (problem.retry_after or 0) > self._policy.longest:
                    raise problem
                wait = problem.retry_after or 0
            await asyncio.sleep(max(wait, self._policy.wait(attempt)))
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, method: str, url: str, what: str, scope: str, headers: dict[str, str]) -> Answer:
        if self._learned:
            return await self._authorized(method, url, what, scope, headers)
        async with self._first:
            answer = await self._authorized(method, url, what, scope, headers)
            self._learned = True
            return answer

    async def _authorized(self, method: str, url: str, what: str, scope: str, headers: dict[str, str]) -> Answer:
        header = await self._authorization.header(scope)
        answer, challenges = await self._send(method, url, headers, header)
        if answer.status == 401:
            secure = self._base.startswith("https:")
            again = await self._authorization.after_refusal(scope, header, parse_challenges(challenges), secure)
            if again:
                answer, _ = await self._send(method, url, headers, again)
        if answer.status == 401:
            raise responses.error(answer, self.registry, what, await self._authorization.user())
        return answer

    async def _send(
        self, method: str, url: str, headers: dict[str, str], authorization: str
    ) -> tuple[Answer, list[str]]:
        async with self._pacer.request(self._key) as observe:
            answer, challenges = await self._by_scheme(method, url, headers, authorization)
            await observe(answer.status, answer.headers)
        return answer, challenges

    async def _by_scheme(
        self, method: str, url: str, headers: dict[str, str], authorization: str
    ) -> tuple[Answer, list[str]]:
        try:
            return await self._exchange(method, self._absolute(url), headers, authorization)
        except aiohttp.ClientConnectorSSLError:
            if not self._may_be_plain:
                raise RegistryError(
                    f"{self.registry}: it does not speak HTTPS; if it is meant to speak plain HTTP, set "
                    "'skip-tls-verify: true'",
                    kind="tls",
                    temporary=False,
                    registry=self.registry,
                ) from None
            self._base = "http://" + api_host(self.registry)
            self._may_be_plain = False
            return await self._exchange(method, self._absolute(url), headers, authorization)

    def _absolute(self, url: str) -> str:
        return self._base + url if url.startswith("/") else url

    async def _exchange(
        self, method: str, url: str, headers: dict[str, str], authorization: str
    ) -> tuple[Answer, list[str]]:
        """One request and its redirects; credentials never follow to another origin."""
        target, origin = URL(url, encoded=True), URL(url, encoded=True).origin()
        for _ in range(_REDIRECTS):
            sent = {**headers, "Authorization": authorization} if authorization else headers
            if target.origin() != origin:
                sent = headers
            answer, challenges = await self._once(method, target, sent)
            location = answer.headers.get("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer, challenges
            target = target.join(URL(location))
            if origin.scheme == "https" and target.scheme != "https":
                break
        raise RegistryError(
            f"{self.registry}: it redirects in circles, or from HTTPS to '{target.scheme}'",
            kind="invalid",
            temporary=False,
            registry=self.registry,
        )

    async def _fetch_token(self, url: str, authorization: str) -> Answer:
        headers = {"Authorization": authorization} if authorization else {}
        try:
            return (await self._once("GET", URL(url, encoded=True), headers))[0]
        except aiohttp.ClientConnectorSSLError as error:
            raise self._unreachable(error) from None

    async def _once(self, method: str, url: URL, headers: dict[str, str]) -> tuple[Answer, list[str]]:
        options: dict[str, Any] = {"ssl": self._context} if url.scheme == "https" else {}
        try:
            async with self._session.request(
                method, url, headers=headers, allow_redirects=False, timeout=_TIMEOUT, **options
            ) as response:
                body = await self._read(response)
                answer = Answer(response.status, response.headers, body, str(url))
                return answer, response.headers.getall("WWW-Authenticate", [])
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            if isinstance(error, aiohttp.ClientConnectorCertificateError) or _is_verification(error):
                raise RegistryError(
                    f"{self.registry}: its certificate is not trusted ({_reason(error)}); put its CA into the "
                    "certs-dir folder of this host, or set 'skip-tls-verify: true'",
                    kind="tls",
                    temporary=False,
                    registry=self.registry,
                ) from None
            if "WRONG_VERSION_NUMBER" in str(error) or "wrong version number" in str(error).lower():
                raise
            raise self._unreachable(error) from None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unreachable(error) from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        pieces, size = [], 0
        async for piece in response.content.iter_chunked(64 * 1024):
            size += len(piece)
            if size > BIGGEST:
                raise RegistryError(
                    f"{self.registry}: its answer is bigger than {BIGGEST // 1024**2} MiB",
                    kind="invalid",
                    temporary=False,
                    registry=self.registry,
                )
            pieces.append(piece)
        return b"".join(pieces)

    def _unreachable(self, error: BaseException) -> RegistryError:
        inner = getattr(error, "os_error", None)
        # a name that does not exist is a typo more often than an outage
        unknown = isinstance(inner, socket.gaierror) and inner.errno == socket.EAI_NONAME
        return RegistryError(
            f"{self.registry}: it cannot be reached: {_reason(error)}",
            kind="unavailable",
            temporary=not unknown,
            registry=self.registry,
        )


def _is_verification(error: BaseException) -> bool:
    inner = getattr(error, "os_error", None) or error.__cause__
    return isinstance(inner, ssl.SSLCertVerificationError)


def _reason(error: BaseException) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return str(inner.verify_message)
    if isinstance(inner, socket.gaierror):
        return "its name is not known"
    if isinstance(inner, ConnectionRefusedError):
        return "connection refused"
    if isinstance(inner, ConnectionResetError | aiohttp.ServerDisconnectedError):
        return "it closed the connection"
    if isinstance(inner, TimeoutError | aiohttp.ServerTimeoutError):
        return "it does not answer in time"
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    return " ".join(str(text).split())[:200]
