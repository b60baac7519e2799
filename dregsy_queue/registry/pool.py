"""All registries that a process talks to: one HTTP session, one client per registry and identity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dregsy_queue
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.credentials.source import CredentialsSource
from dregsy_queue.registry.head_memory import HeadMemory, ProcessMemory
from dregsy_queue.registry.http import aiohttp
from dregsy_queue.registry.throttle import NoPacing, Pacer
from dregsy_queue.registry.tls import TLSSettings, make_context
from dregsy_queue.registry.transport import RetryPolicy, Transport

#: Connections per registry: requests beyond wait for one to be free.
CONNECTIONS = 64
#: Longest header line in bytes, and most lines: Go's programs take 10 MiB in all.
_HEADER, _HEADERS = 1024 * 1024, 10_000


class Registries:
    """Makes and keeps clients. To be used on one event loop; `aclose` it there at the end.

    `endpoint_of` and `ca_of` say for a registry where its API is, and which CA file it has, if not as usual.
    """

    def __init__(
        self,
        *,
        endpoint_of: Callable[[str], str | None] = lambda _: None,
        ca_of: Callable[[str], Path | None] = lambda _: None,
        pacer: Pacer | None = None,
        policy: RetryPolicy | None = None,
        memory: HeadMemory | None = None,
    ) -> None:
        self._endpoint_of = endpoint_of
        self._ca_of = ca_of
        self._pacer = pacer or NoPacing()
        self._policy = policy or RetryPolicy()
        self._memory = memory or ProcessMemory()
        self._session: aiohttp.ClientSession | None = None
        self._clients: dict[tuple[str, CredentialsSource, TLSSettings, str | None], RegistryClient] = {}

    def client(
        self, registry: str, source: CredentialsSource, tls: TLSSettings, endpoint: str | None = None
    ) -> RegistryClient:
        """The client for a registry under an identity; the same one for equal arguments.

        `endpoint`: base URL of another API of this registry than the usual one.

        Raises:
            RegistryError: a certificate file is not usable.
        """
        key = (registry, source, tls, endpoint)
        if key not in self._clients:
            settings = replace(tls, ca=self._ca_of(registry) or tls.ca)
            transport = Transport(
                self._open_session(),
                registry,
                endpoint=endpoint or self._endpoint_of(registry),
                context=make_context(registry, settings),
                skip_verify=tls.skip_verify,
                source=source,
                pacer=self._pacer,
                policy=self._policy,
            )
            self._clients[key] = RegistryClient(transport, self._memory)
        return self._clients[key]

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._clients.clear()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS),
                cookie_jar=aiohttp.DummyCookieJar(),
                # `proxies` chooses, as Go's programs do; and ~/.netrc would send logins that nobody configured.
                trust_env=False,
                auto_decompress=False,
                # Some registries send tokens of 10 KiB in Location.
                max_line_size=_HEADER,
                max_field_size=_HEADER,
                max_headers=_HEADERS,
                headers={"User-Agent": f"dregsy_queue/{dregsy_queue.__version__}"},
            )
        return self._session
