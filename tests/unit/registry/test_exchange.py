"""What an error of the network tells of the other side."""

from __future__ import annotations

import ssl
from typing import cast

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.exchange import NotHTTPSError, exchange

_KEY = ConnectionKey("registry.example", 443, True, True, None, None, None)


class Failing:
    """A session whose requests fail."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def request(self, *_: object, **__: object) -> aiohttp.ClientResponse:
        raise self._error


async def _ask(words: str) -> None:
    session = Failing(aiohttp.ClientConnectorSSLError(_KEY, ssl.SSLError(1, words)))
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
        await _ask(words)


async def test_who_refuses_a_handshake_speaks_tls() -> None:
    with pytest.raises(RegistryError) as caught:
        await _ask("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure (_ssl.c:1006)")
    assert caught.value.kind == "unavailable"
