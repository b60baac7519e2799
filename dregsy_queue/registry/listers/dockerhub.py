"""The repositories of a user of Docker Hub, by Docker Hub's own API."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from dregsy_queue.config.credentials import Credentials
from dregsy_queue.registry.errors import RegistryError

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
        async with aiohttp.ClientSession(trust_env=True, timeout=_TIMEOUT) as session:
            token = await self._sign_in(session, self.credentials)
            names: list[str] = []
            url = f"{self.base}/v2/repositories/{self.credentials.username}/?page_size=100"
            while url and (limit is None or len(names) < limit):
                if not url.startswith(self.base):
                    raise _error("the list of repositories leads to another host", "invalid")
                page = await _json(session.get(url, headers={"Authorization": f"JWT {token}"}))
                for entry in page.get("results") or []:
                    if entry.get("repository_type") == "image":
                        names.append(f"{entry.get('namespace')}/{entry.get('name')}")  # noqa: PERF401
                url = page.get("next") or ""
        return names if limit is None else names[:limit]

    async def _sign_in(self, session: aiohttp.ClientSession, credentials: Credentials) -> str:
        login = {"username": credentials.username, "password": credentials.password}
        token = (await _json(session.post(f"{self.base}/v2/users/login/", json=login))).get("token")
        if not isinstance(token, str):
            raise _error("the login was answered without a token", "invalid")
        return token


async def _json(request: Any) -> dict[str, Any]:  # noqa: ANN401 - aiohttp's request context
    try:
        async with request as response:
            body = await response.content.read(16 * 1024 * 1024)
            if response.status in (401, 403):
                raise _error(f"the login is refused (HTTP {response.status})", "auth")
            if response.status != 200:
                temporary = response.status == 429 or response.status >= 500
                raise _error(f"it answers HTTP {response.status}", "unavailable", temporary=temporary)
            document = json.loads(body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _error(f"it cannot be reached: {type(error).__name__}", "unavailable", temporary=True) from None
    except ValueError:
        raise _error("its answer is not understood", "invalid") from None
    if not isinstance(document, dict):
        raise _error("its answer is not understood", "invalid")
    return document


def _error(text: str, kind: Any, *, temporary: bool = False) -> RegistryError:  # noqa: ANN401 - one of Kind
    return RegistryError(f"hub.docker.com: {text}", kind=kind, temporary=temporary, registry=_REGISTRY)
