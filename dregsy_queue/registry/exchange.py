"""One exchange with a registry: a request, its redirects, and an answer that can be streamed or read whole.

Nothing of logins, retries or limits of rate: those are in `transport`. Which login may go where: `origins`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.http import aiohttp
from dregsy_queue.registry.origins import follow, keeps_body, same_origin
from dregsy_queue.registry.proxies import proxy_for

#: Biggest body read whole, in bytes: a tag list of a million names fits its pages of 1,000.
BIGGEST = 16 * 1024 * 1024
#: A body bigger than this many bytes waits its turn: so many answers at once stay bounded in memory.
BIG = 1024 * 1024
#: Big bodies that a process reads at once.
_BIG_AT_ONCE = 2
_REDIRECTS = 10
_PACKINGS = ("gzip", "x-gzip", "deflate")
_PIECE = 64 * 1024
#: Seconds. No bound on the whole: a blob may take hours, as long as bytes come.
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
#: Who streams a body sees by itself whether it moves; after its last byte a registry may need minutes to store it.
_STREAMED = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=None)

#: What a request sends: bytes, or a maker of pieces that is called again when the request is sent again.
Body = bytes | Callable[[], AsyncIterator[bytes]]


class NotHTTPSError(Exception):
    """The other side answered, and not by TLS; or it hung up on the first word of TLS."""


@dataclass(frozen=True)
class Incoming:
    """An answer whose body has not been read. Its connection is free again when the context ends, or after `close`."""

    status: int
    headers: CIMultiDictProxy[str]
    #: where it came from, after redirects
    url: URL
    _response: aiohttp.ClientResponse
    _ends: list[Callable[[], None]] = field(default_factory=list)

    async def __aenter__(self) -> Incoming:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await self._response.wait_for_close()

    def close(self) -> None:
        """Let go of the connection: for other requests where the body was read to its end, else it is cut."""
        self._response.release()
        while self._ends:
            self._ends.pop()()

    def at_end(self, call: Callable[[], None]) -> None:
        """Call this when the connection is let go."""
        self._ends.append(call)

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes, in pieces of at most 64 KiB, exactly as it was sent.

        Raises: RegistryError, temporary, when it is cut.
        """
        try:
            async for piece in self._response.content.iter_chunked(_PIECE):
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(self.url, error) from None

    @property
    def is_packed(self) -> bool:
        """Whether the sender says that it packed the body for the way; of layers some say it falsely."""
        return self.headers.get("Content-Encoding", "").strip().lower() in _PACKINGS

    async def unpacked(self) -> AsyncGenerator[bytes, None]:
        """The same as `pieces`, unpacked where the sender packed it (gzip, deflate). Raises: RegistryError."""
        unpack = _unpacker(self.headers.get("Content-Encoding", ""), self.url)
        async with contextlib.aclosing(self.pieces()) as pieces:
            async for packed in pieces:
                for piece in unpack(packed):
                    yield piece

    async def read(self, limit: int = BIGGEST) -> bytes:
        """The whole body, as `unpacked`; a small answer cannot unpack to a huge one. Raises: RegistryError."""
        body = bytearray()
        async with contextlib.AsyncExitStack() as turn, contextlib.aclosing(self.unpacked()) as pieces:
            waited = False
            async for piece in pieces:
                body += piece
                if len(body) > limit:
                    raise invalid(self.url, f"its answer is bigger than {limit // 1024**2} MiB")
                if len(body) > BIG and not waited:
                    waited = True
                    await turn.enter_async_context(_big_bodies())
        return bytes(body)


async def exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    *,
    context: ssl.SSLContext,
    home: URL | None,
    authorization: str = "",
    headers: Mapping[str, str] | None = None,
    body: Body = b"",
    secret_body: bool = False,
) -> Incoming:
    """Send a request and follow its redirects; the answer is the caller's to close. `authorization` is sent to the
    origin of `home`, and nowhere else; so is a `body` that is secret, as it holds a login.

    A redirect of a request whose body is streamed is not followed: its answer is the caller's.

    Raises:
        NotHTTPSError: `url` is HTTPS and the other side does not speak it.
        RegistryError: no answer, or redirects that lead nowhere.
    """
    target, data = url, body if isinstance(body, bytes) else None
    for _ in range(_REDIRECTS):
        sent = CIMultiDict(headers or {})
        sent.setdefault("Accept-Encoding", "identity")
        if authorization and home is not None and same_origin(target, home):
            sent["Authorization"] = authorization
        response = await _send(session, method, target, sent, context, body if data is None else data)
        location = response.headers.get("Location") if response.status in (301, 302, 303, 307, 308) else None
        if not location or data is None:
            return Incoming(response.status, response.headers, target, response)
        async with response:
            following = follow(target, location)
            if following is None:
                raise invalid(target, "it redirects to something that is not an HTTP or HTTPS URL")
            if not keeps_body(response.status, same_origin(following, target)) and method != "HEAD":
                method, data = "GET", b""
        if target.scheme == "https" and following.scheme != "https":
            raise invalid(target, f"it redirects from HTTPS to '{following.scheme}'")
        if secret_body and data and not (home is not None and same_origin(following, home)):
            raise invalid(target, f"it redirects a login to another host, {host_of(following)}; nothing was sent there")
        target = following
    raise invalid(url, "it redirects in circles")


async def _send(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    headers: CIMultiDict[str],
    context: ssl.SSLContext,
    body: Body,
) -> aiohttp.ClientResponse:
    proxy = proxy_for(url)
    # also where `url` is plain: a proxy may speak TLS
    options: dict[str, Any] = {"ssl": context}
    if body or method in ("POST", "PUT", "PATCH"):
        options["data"] = body if isinstance(body, bytes) else body()
        options["skip_auto_headers"] = ("Content-Type",)
    try:
        return await session.request(
            method,
            url,
            headers=headers,
            allow_redirects=False,
            timeout=_TIMEOUT if isinstance(body, bytes) else _STREAMED,
            proxy=proxy,
            **options,
        )
    except (aiohttp.ClientHttpProxyError, aiohttp.ClientProxyConnectionError) as error:
        raise _by_proxy(url, proxy or "", error) from None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, ssl.SSLError) as error:
        raise (NotHTTPSError(url) if url.scheme == "https" and _is_no_tls(error) else unreachable(url, error)) from None


#: What releases of OpenSSL say of an answer that is not TLS; "record layer failure" is that of 3.2 and later.
_NO_TLS = ("wrong version number", "record layer failure", "unknown protocol", "packet length too long")


def _is_no_tls(error: BaseException) -> bool:
    """True where the other side spoke plain HTTP, or hung up on the first word of TLS."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError) or _is_verification(error):
        return False
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        words = str(error).lower().replace("_", " ")
        return any(said in words for said in _NO_TLS)
    inner = getattr(error, "os_error", None) or error
    return isinstance(inner, ConnectionResetError | BrokenPipeError) and isinstance(error, aiohttp.ClientConnectorError)


def _big_bodies() -> asyncio.Semaphore:
    loop: Any = asyncio.get_running_loop()
    found: asyncio.Semaphore | None = _semaphores.get(loop)
    if found is None:
        found = _semaphores[loop] = asyncio.Semaphore(_BIG_AT_ONCE)
    return found


_semaphores: dict[Any, asyncio.Semaphore] = {}


def _unpacker(encoding: str, url: URL) -> Callable[[bytes], Iterator[bytes]]:
    """A function of what was sent, in the order in which it comes, that gives pieces of at most 64 KiB."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return lambda piece: iter((piece,))
    if name not in _PACKINGS:
        raise invalid(url, f"its answer is packed as '{name[:20]}', which nobody asked for")
    # 32: gzip and zlib are told apart by their first bytes
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

    def unpack(rest: bytes) -> Iterator[bytes]:
        while rest:
            try:
                piece = decompressor.decompress(rest, _PIECE)
            except zlib.error:
                raise invalid(url, "its answer cannot be unpacked") from None
            if not piece:
                break
            yield piece
            rest = decompressor.unconsumed_tail

    return unpack


def host_of(url: URL) -> str:
    """``host`` or ``host:port``, as messages name who answered."""
    return url.authority.rpartition("@")[2]


def invalid(url: URL, why: str) -> RegistryError:
    """An answer of that host that is of no use, however often it is asked."""
    return RegistryError(f"{host_of(url)}: {why}", kind="invalid", temporary=False, registry=host_of(url))


def unreachable(url: URL, error: BaseException) -> RegistryError:
    """No whole answer from that host."""
    host = host_of(url)
    certificate = isinstance(error, aiohttp.ClientConnectorCertificateError) or _is_verification(error)
    if certificate:
        return RegistryError(
            f"{host}: its certificate is not trusted ({_reason(error)}); {_advice(error)}",
            kind="tls",
            temporary=False,
            registry=host,
        )
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
        return invalid(url, "its answer cannot be read as HTTP")
    inner = getattr(error, "os_error", None)
    # a name that does not exist is a typo more often than an outage
    unknown = isinstance(inner, socket.gaierror) and inner.errno == socket.EAI_NONAME
    return RegistryError(
        f"{host}: it cannot be reached: {_reason(error)}", kind="unavailable", temporary=not unknown, registry=host
    )


def _by_proxy(
    url: URL, proxy: str, error: aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError
) -> RegistryError:
    """The proxy failed, not the registry. Its URL may hold a login, so only its host is told."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        why, passes = f"it answers HTTP {error.status}", error.status >= 500
    else:
        why, passes = _reason(error), True
    text = f"{host_of(url)}: the proxy {host_of(URL(proxy))} does not lead there: {why}"
    return RegistryError(text, kind="unavailable", temporary=passes, registry=host_of(url))


def _verification(error: BaseException) -> ssl.SSLCertVerificationError | None:
    # aiohttp wraps the real error in a class of its own, which is a subclass
    for found in (getattr(error, "certificate_error", None), getattr(error, "os_error", None), error.__cause__, error):
        if isinstance(found, ssl.SSLCertVerificationError):
            return found
    return None


def _is_verification(error: BaseException) -> bool:
    return _verification(error) is not None


#: OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID, …_HAS_EXPIRED, …_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH
_NOT_YET, _EXPIRED, _NAMES = 9, 10, (62, 64)


def _advice(error: BaseException) -> str:
    """What to do about a certificate, by what is wrong with it."""
    found = _verification(error)
    code = found.verify_code if found else 0
    if code in (_EXPIRED, _NOT_YET):
        return "it must be renewed there (or the clock of this machine is off)"
    if code in _NAMES:
        return "reach the registry by a name that its certificate has"
    return "put its CA into the certs-dir folder of this host, or set 'skip-tls-verify: true'"


def _reason(error: BaseException) -> str:
    verification = _verification(error)
    if verification is not None:
        return str(verification.verify_message)
    inner = getattr(error, "os_error", None) or error
    if isinstance(inner, socket.gaierror):
        return "its name is not known"
    if isinstance(inner, ConnectionRefusedError):
        return "connection refused"
    if isinstance(inner, ConnectionResetError | aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "it closed the connection"
    if isinstance(inner, TimeoutError | aiohttp.ServerTimeoutError):
        return "it does not answer in time"
    text = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
    line = "".join(char if char.isprintable() else " " for char in str(text))
    return " ".join(line.split())[:200]
