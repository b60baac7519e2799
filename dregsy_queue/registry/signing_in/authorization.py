"""Signing in: the Authorization header that a registry wants."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode, urlsplit

from dregsy_queue.registry import responses
from dregsy_queue.registry.credentials.source import CredentialsSource
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.responses import Answer
from dregsy_queue.registry.signing_in.challenge import Challenge
from dregsy_queue.registry.signing_in.tokens import Token, TokenCache, parse_token

#: Sends a GET to a token server: URL and Authorization header ('' for none).
Fetch = Callable[[str, str], Awaitable[Answer]]


class Authorization:
    """What to send to one registry; learns from its first 401."""

    def __init__(self, registry: str, source: CredentialsSource, fetch: Fetch) -> None:
        self._registry = registry
        self._source = source
        self._fetch = fetch
        self._challenge: Challenge | None = None
        self._tokens = TokenCache()

    async def header(self, scope: str) -> str:
        """The header to send now, '' for none: what was learned so far, without asking anybody but for tokens."""
        if self._challenge is None:
            return ""
        if self._challenge.scheme == "basic":
            return await self._basic()
        token = self._tokens.get(scope) or await self._renew(scope, None)
        return f"Bearer {token.text}"

    async def after_refusal(self, scope: str, sent: str, challenge: Challenge | None, secure: bool) -> str:
        """The header to try after a 401; '' when there is nothing left to try.

        `secure`: the registry was asked by HTTPS, so credentials must not go to a realm by HTTP.
        """
        if challenge is None:
            return ""
        self._challenge = challenge
        if challenge.scheme == "basic":
            header = await self._basic()
            return header if header != sent else ""
        if secure and urlsplit(challenge.realm).scheme != "https":
            raise RegistryError(
                f"{self._registry}: it sends logins to '{challenge.realm}', which is not HTTPS; nothing was sent",
                kind="tls",
                temporary=False,
                registry=self._registry,
            )
        cached = self._tokens.get(scope)
        refused = cached if cached and sent == f"Bearer {cached.text}" else None
        token = await self._renew(scope, refused)
        return f"Bearer {token.text}"

    async def user(self) -> str | None:
        credentials = await self._source.credentials()
        return credentials.username if credentials else None

    async def _basic(self) -> str:
        credentials = await self._source.credentials()
        if credentials is None:
            return ""
        login = f"{credentials.username}:{credentials.password}".encode()
        return "Basic " + base64.b64encode(login).decode()

    async def _renew(self, scope: str, refused: Token | None) -> Token:
        return await self._tokens.fetch(scope, refused, lambda: self._fetch_token(scope))

    async def _fetch_token(self, scope: str) -> Token:
        assert self._challenge is not None
        query = {name: value for name, value in (("service", self._challenge.service), ("scope", scope)) if value}
        separator = "&" if "?" in self._challenge.realm else "?"
        url = f"{self._challenge.realm}{separator}{urlencode(query)}"
        answer = await self._fetch(url, await self._basic())
        if answer.status != 200:
            raise responses.error(answer, self._registry, "signing in", await self.user())
        try:
            return parse_token(answer.body)
        except ValueError as error:
            raise RegistryError(
                f"{self._registry}: {error}", kind="invalid", temporary=False, registry=self._registry
            ) from None
