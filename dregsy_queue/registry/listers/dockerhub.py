"""The repositories of a user of Docker Hub, by Docker Hub's own API."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urljoin

import aiohttp
from yarl import URL

from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.exchange import BIGGEST
from dregsy_queue.registry.pages import MOST_PAGES
from dregsy_queue.registry.proxies import proxy_for

_HUB = "https://hub.docker.com"
_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)
_REGISTRY = "docker.io"


@dataclass(frozen=True)
class DockerHubLister:
    """Lists what belongs to the user who signs in; entries that are no images are left out."""

    credentials: Credentials | None
    base: str = field(default=_HUB)

    async def repositories(self, limit: int | None) -> list[str]:
        if self.credentials is None:
            raise _error("lister 'dockerhub' needs 'auth' with the user whose repositories are listed", "auth")
        async with aiohttp.ClientSession(timeout=_TIMEOUT, proxy=proxy_for(URL(self.base))) as session:
            headers = {"Authorization": f"JWT {await self._sign_in(session, self.credentials)}"}
            names: list[str] = []
            seen: set[str] = set()
            user = quote(self.credentials.username, safe="")
            url: str | None = f"{self.base}/v2/repositories/{user}/?page_size=100"
            while url and (limit is None or len(names) < limit):
                if url in seen or len(seen) >= MOST_PAGES:
                    raise _error("the list of repositories does not end", "invalid")
                seen.add(url)
                page = await _json(session.get(url, headers=headers, allow_redirects=False))
                names += _images(page.get("results"))
                url = self._following(url, page.get("next"))
        return names if limit is None else names[:limit]

    async def _sign_in(self, session: aiohttp.ClientSession, credentials: Credentials) -> str:
        login = {"username": credentials.username, "password": credentials.password}
        url = f"{self.base}/v2/users/login/"
        token = (await _json(session.post(url, json=login, allow_redirects=False))).get("token")
        if not isinstance(token, str):
            raise _error("the login was answered without a token", "invalid")
        return token

    def _following(self, url: str, following: object) -> str | None:
        """The next page, which must be on the same host: it is asked with the user's token."""
        if not following:
            return None
        try:
            found = URL(urljoin(url, str(following)))
            if found.origin() == URL(self.base).origin():
                return str(found)
        except ValueError:
            pass
        raise _error("the list of repositories leads to another host", "invalid")


def _images(results: object) -> list[str]:
    entries = results if isinstance(results, list) else []
    return [
        f"{entry.get('namespace')}/{entry.get('name')}"
        for entry in entries
        if isinstance(entry, dict) and entry.get("repository_type") == "image"
    ]


async def _json(request: Any) -> dict[str, Any]:  # noqa: ANN401 - aiohttp's request context
    try:
        async with request as response:
            body = await _body(response)
            if response.status in (401, 403):
                raise _error(f"the login is refused (HTTP {response.status})", "auth")
            if response.status != 200:
                temporary = response.status == 429 or response.status >= 500
                raise _error(f"it answers HTTP {response.status}", "unavailable", temporary=temporary)
            document = json.loads(body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _error(f"it cannot be reached: {type(error).__name__}", "unavailable", temporary=True) from None
    except (ValueError, RecursionError):
        raise _error("its answer is not understood", "invalid") from None
    if not isinstance(document, dict):
        raise _error("its answer is not understood", "invalid")
    return document


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(64 * 1024):
        body += piece
        if len(body) > BIGGEST:
            raise _error(f"its answer is bigger than {BIGGEST // 1024**2} MiB", "invalid")
    return bytes(body)


def _error(text: str, kind: Any, *, temporary: bool = False) -> RegistryError:  # noqa: ANN401 - one of Kind
    return RegistryError(f"hub.docker.com: {text}", kind=kind, temporary=temporary, registry=_REGISTRY)
