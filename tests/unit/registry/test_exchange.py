"""What an error of the network tells of the other side."""

from __future__ import annotations

import ssl
from typing import cast

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from dregsy_queue.registry import exchange as exchange_module
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.exchange import NotHTTPSError, exchange

_REQUEST = aiohttp.RequestInfo(URL("http://proxy.example"), "CONNECT", CIMultiDictProxy(CIMultiDict()))
_KEY = ConnectionKey("registry.example", 443, True, True, None, None, None)


class Failing:
    """A session whose requests fail."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def request(self, *_: object, **__: object) -> aiohttp.ClientResponse:
        raise self._error


async def _ask(error: Exception) -> None:
    session = Failing(error)
    url = URL("https://registry.example/v2/")
    await exchange(cast("aiohttp.ClientSession", session), "GET", url, context=ssl.create_default_context(), home=None)


@pytest.mark.parametrize(
    "words",
    [
        "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)",
        # OpenSSL 3.2 and later (urllib3#3271)
        "[SSL] record layer failure (_ssl.c:1033)",
        "[SSL: RECORD_LAYER_FAILURE] record layer failure (_ssl.c:1033)",
    ],
)
async def test_plain_http_is_known_by_the_words_of_every_openssl(words: str) -> None:
    with pytest.raises(NotHTTPSError):
        await _ask(aiohttp.ClientConnectorSSLError(_KEY, ssl.SSLError(1, words)))


async def test_who_refuses_a_handshake_speaks_tls() -> None:
    with pytest.raises(RegistryError) as caught:
        words = "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure (_ssl.c:1006)"
        await _ask(aiohttp.ClientConnectorSSLError(_KEY, ssl.SSLError(1, words)))
    assert caught.value.kind == "unavailable"


@pytest.mark.parametrize(
    ("error", "words", "passes"),
    [
        (aiohttp.ClientProxyConnectionError(_KEY, ConnectionRefusedError(111, "refused")), "connection refused", True),
        (aiohttp.ClientProxyConnectionError(_KEY, ConnectionResetError(104, "reset")), "closed the connection", True),
        (aiohttp.ClientHttpProxyError(_REQUEST, (), status=407, message="Proxy Authentication"), "HTTP 407", False),
        (aiohttp.ClientHttpProxyError(_REQUEST, (), status=503, message="Unavailable"), "HTTP 503", True),
    ],
)
async def test_a_proxy_that_fails_is_named_without_its_login(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str, passes: bool
) -> None:
    monkeypatch.setattr(exchange_module, "proxy_for", lambda _: "http://bob:s3cret@proxy.example:3128")
    with pytest.raises(RegistryError) as caught:
        await _ask(error)
    told = str(caught.value)
    assert "the proxy proxy.example:3128" in told and words in told and "s3cret" not in told
    assert caught.value.temporary == passes
