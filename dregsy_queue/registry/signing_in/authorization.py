"""Signing in: the Authorization header that a registry wants."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode, urlsplit

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry import responses
from dregsy_queue.registry.credentials.source import CredentialsSource
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.responses import Answer
from dregsy_queue.registry.signing_in.challenge import Challenge
from dregsy_queue.registry.signing_in.tokens import Token, TokenCache, parse_token

#: Asks a token server: URL, Authorization header ('' for none), and a form to POST (None: a GET).
AskTokenServer = Callable[[str, str, Mapping[str, str] | None], Awaitable[Answer]]

#: Answers of token servers to scopes that they do not give.
_NOT_SO_FAR = (400, 401, 403, 404, 422)
#: Seconds for which a refused login is not tried again.
_REFUSED_FOR = 10.0


class Authorization:
    """What to send to one registry; learns from its first 401."""

    def __init__(
        self,
        registry: str,
        source: CredentialsSource,
        ask_token_server: AskTokenServer,
        is_secure: Callable[[], bool] = lambda: True,
        clock: Clock = SYSTEM,
    ) -> None:
        """`is_secure`: whether the registry itself is asked by HTTPS."""
        self._registry = registry
        self._source = source
        self._ask_token_server = ask_token_server
        self._is_secure = is_secure
        self._clock = clock
        self._challenge: Challenge | None = None
        #: scope that we asked for → the one that the registry wants instead
        self._scopes: dict[str, str] = {}
        self._tokens = TokenCache(clock)
        self._accepted = False
        #: the last refusal of a login: it is not sent again at once for each image, which locks accounts
        self._refusal: tuple[Credentials, float, RegistryError] | None = None

    async def header(self, scope: str) -> str:
        """The header to send now, '' for none: what was learned so far, without asking anybody but for tokens."""
        if self._challenge is None:
            return ""
        if self._challenge.scheme == "basic":
            return await self._basic(scope)
        token = self._tokens.get(scope) or await self._renew(scope, None)
        return f"Bearer {token.text}"

    @property
    def is_accepted(self) -> bool:
        """Whether the login was accepted, by a token server or by ``/v2/``: what is refused is a matter of rights."""
        return self._accepted

    async def basic_to_try(self, scope: str) -> str:
        """The header by which ``/v2/`` tells whether the login itself is good; '' where a token server has to tell."""
        return await self._basic(scope) if self._challenge is not None and self._challenge.scheme == "basic" else ""

    async def basic_was(self, accepted: bool, scope: str, problem: RegistryError) -> None:
        """What ``/v2/`` said to the login; `problem`: the answer that made us ask."""
        credentials = await self._source.credentials(_repository(scope))
        if accepted:
            self._accepted = True
        elif credentials is not None:
            self._refusal = (credentials, self._clock.monotonic() + _REFUSED_FOR, problem)

    def learn(self, challenge: Challenge | None) -> None:
        """The registry's first challenge, heard before anything was asked for."""
        if challenge is not None and self._challenge is None:
            self._challenge = challenge

    async def after_refusal(self, scope: str, sent: str, challenge: Challenge | None) -> str:
        """The header to try after a 401 of the registry; '' when there is nothing left to try."""
        if challenge is None:
            return ""
        self._challenge = challenge
        if challenge.scheme == "basic":
            header = await self._basic(scope)
            return header if header != sent else ""
        before = self._scopes.get(scope)
        if challenge.scope and challenge.scope != scope:
            self._scopes[scope] = challenge.scope
        cached = self._tokens.get(scope)
        if before != self._scopes.get(scope) and cached:
            # the token is fresh, but for another scope than the registry asks for
            return f"Bearer {(await self._renew(scope, cached)).text}"
        refused = cached if cached and sent == f"Bearer {cached.text}" else None
        token = await self._renew(scope, refused)
        return f"Bearer {token.text}"

    async def user(self) -> str | None:
        credentials = await self._source.credentials()
        return credentials.username if credentials else None

    async def _basic(self, scope: str) -> str:
        credentials = await self._source.credentials(_repository(scope))
        if credentials is None:
            return ""
        self._must_be_new(credentials)
        login = f"{credentials.username}:{credentials.password}".encode()
        return "Basic " + base64.b64encode(login).decode()

    async def _renew(self, scope: str, refused: Token | None) -> Token:
        return await self._tokens.fetch(scope, refused, lambda: self._fetch_token(scope))

    async def _fetch_token(self, scope: str) -> Token:
        assert self._challenge is not None
        credentials = await self._source.credentials(_repository(scope))
        if credentials is not None:
            self._must_be_safe(self._challenge.realm)
            self._must_be_new(credentials)
        answer = await self._ask(credentials, self._scopes.get(scope, scope))
        first = scope.partition(" ")[0]
        if answer.status in _NOT_SO_FAR and first != scope:
            # Some token servers refuse a scope for another repository beside, or more than one.
            answer = await self._ask(credentials, first)
        if answer.status != 200:
            server = urlsplit(answer.url).netloc.rpartition("@")[2] or self._registry
            user = credentials.username if credentials else None
            what = "signing in" if server == self._registry else f"signing in to {self._registry}"
            problem = responses.error(answer, server, what, user)
            # The text names who refused; what waits for it, or is at fault, is the registry.
            problem.registry = self._registry
            if credentials is not None and problem.kind == "auth":
                self._refusal = (credentials, self._clock.monotonic() + _REFUSED_FOR, problem)
            raise problem
        self._accepted = credentials is not None
        try:
            return parse_token(answer.body)
        except ValueError as error:
            raise RegistryError(
                f"{self._registry}: {error}", kind="invalid", temporary=False, registry=self._registry
            ) from None

    async def _ask(self, credentials: Credentials | None, scope: str) -> Answer:
        assert self._challenge is not None
        if credentials is not None and credentials.identity_token:
            return await self._by_identity_token(credentials, scope)
        query = [("service", self._challenge.service)] if self._challenge.service else []
        query += [("scope", one) for one in scope.split()]
        # Some token servers look the user up by it (token specification, "Query Parameters": `account`).
        query += [("account", credentials.username)] if credentials else []
        separator = "&" if "?" in self._challenge.realm else "?"
        url = self._challenge.realm + (separator + urlencode(query) if query else "")
        return await self._ask_token_server(url, await self._basic(scope), None)

    async def _by_identity_token(self, credentials: Credentials, scope: str) -> Answer:
        """Source: distribution's token specification, "OAuth 2", grant_type refresh_token."""
        assert self._challenge is not None
        form = {
            "grant_type": "refresh_token",
            "service": self._challenge.service,
            "client_id": "dregsy_queue",
            "scope": scope,
            "refresh_token": credentials.identity_token,
        }
        return await self._ask_token_server(self._challenge.realm, "", form)

    def _must_be_new(self, credentials: Credentials) -> None:
        """Raises: RegistryError when this very login was refused a moment ago."""
        if self._refusal and self._refusal[0] == credentials and self._clock.monotonic() < self._refusal[1]:
            first = self._refusal[2]
            raise RegistryError(str(first), kind=first.kind, temporary=False, registry=first.registry)

    def _must_be_safe(self, realm: str) -> None:
        """A login that would go from HTTPS to a realm by HTTP stays here. Raises: RegistryError."""
        if self._is_secure() and urlsplit(realm).scheme != "https":
            raise RegistryError(
                f"{self._registry}: it sends logins to '{realm[:200]}', which is not HTTPS; nothing was sent",
                kind="tls",
                temporary=False,
                registry=self._registry,
            )


def _repository(scope: str) -> str:
    """``a/b`` of ``repository:a/b:pull``; '' for other scopes."""
    kind, _, rest = scope.partition(" ")[0].partition(":")
    return rest.rpartition(":")[0] if kind == "repository" else ""
