"""Docker Hub's own API, which is not its registry's: signing in, and lists in pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from yarl import URL

from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry.errors import Kind, RegistryError
from dregsy_queue.registry.exchange import BIGGEST
from dregsy_queue.registry.http import aiohttp
from dregsy_queue.registry.pages import MOST_PAGES
from dregsy_queue.registry.proxies import proxy_for
from dregsy_queue.registry.tls import TLSSettings, make_context

HUB = "https://hub.docker.com"
#: Entries per page; the API gives no more.
PAGE = 100
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)
_REGISTRY = "docker.io"


@dataclass(frozen=True)
class HubApi:
    """`base`: its URL."""

    base: str = HUB

    def session(self) -> aiohttp.ClientSession:
        base = URL(self.base)
        connector = aiohttp.TCPConnector(ssl=make_context(base.authority, TLSSettings()))
        return aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, proxy=proxy_for(base))

    async def sign_in(self, session: aiohttp.ClientSession, credentials: Credentials) -> str:
        """The value of the Authorization header from now on. Raises: RegistryError."""
        login = {"username": credentials.username, "password": credentials.password}
        url = f"{self.base}/v2/users/login/"
        token = (await _json(session.post(url, json=login, allow_redirects=False))).get("token")
        if not isinstance(token, str):
            raise error("the login was answered without a token", "invalid")
        return f"JWT {token}"

    async def pages(
        self, session: aiohttp.ClientSession, path: str, what: str, authorization: str = ""
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """The entries of a list, page by page; `path` with its query. Raises: RegistryError."""
        headers = {"Authorization": authorization} if authorization else {}
        seen: set[str] = set()
        url: str | None = self.base + path
        while url:
            if url in seen or len(seen) >= MOST_PAGES:
                raise error(f"the list of {what} does not end", "invalid")
            seen.add(url)
            page = await _json(session.get(url, headers=headers, allow_redirects=False))
            results = page.get("results")
            yield [entry for entry in (results if isinstance(results, list) else []) if isinstance(entry, dict)]
            url = self._following(url, page.get("next"), what)

    def _following(self, url: str, following: object, what: str) -> str | None:
        """The next page, which must be on the same host: it is asked with the user's token."""
        if not following:
            return None
        try:
            found = URL(urljoin(url, str(following)))
            if found.origin() == URL(self.base).origin():
                return str(found)
        except ValueError:
            pass
        raise error(f"the list of {what} leads to another host", "invalid")


async def _json(request: Any) -> dict[str, Any]:  # noqa: ANN401 - aiohttp's request context
    try:
        async with request as response:
            body = await _body(response)
            if response.status in (401, 403):
                raise error(f"the login is refused (HTTP {response.status})", "auth")
            if response.status == 404:
                raise error("it answers HTTP 404", "not-found")
            if response.status != 200:
                temporary = response.status == 429 or response.status >= 500
                raise error(f"it answers HTTP {response.status}", "unavailable", temporary=temporary)
            document = json.loads(body)
    except (aiohttp.ClientError, TimeoutError, OSError) as problem:
        raise error(f"it cannot be reached: {type(problem).__name__}", "unavailable", temporary=True) from None
    except (ValueError, RecursionError):
        raise error("its answer is not understood", "invalid") from None
    if not isinstance(document, dict):
        raise error("its answer is not understood", "invalid")
    return document


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(64 * 1024):
        body += piece
        if len(body) > BIGGEST:
            raise error(f"its answer is bigger than {BIGGEST // 1024**2} MiB", "invalid")
    return bytes(body)


def error(text: str, kind: Kind, *, temporary: bool = False) -> RegistryError:
    return RegistryError(f"hub.docker.com: {text}", kind=kind, temporary=temporary, registry=_REGISTRY)
