"""Where the body of a request goes when it is redirected, as a table by origin."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator

import pytest

from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.credentials.source import Static
from dregsy_queue.registry.pool import Registries
from dregsy_queue.registry.tls import TLSSettings
from dregsy_queue.registry.transport import RetryPolicy
from tests.lab.odd.exchange import Ask
from tests.lab.odd.quirks import LOGIN, asks, basic, redirects
from tests.lab.odd.registry import OddRegistry

BODY, SAME, OTHER = b'{"schemaVersion": 2}', "same", "other"
_PUT = asks("PUT", "manifest")


@pytest.fixture
def other() -> Iterator[OddRegistry]:
    registry = OddRegistry()
    yield registry
    registry.stop()


@pytest.fixture
def home(other: OddRegistry, request: pytest.FixtureRequest) -> Iterator[OddRegistry]:
    """Sends pushed manifests on, as the test's `status` and `place` say."""
    status, place = request.node.callspec.params["status"], request.node.callspec.params["place"]

    def to(ask: Ask) -> str:
        return f"{'http://' + other.host if place == OTHER else ''}{ask.path}?moved=1"

    registry = OddRegistry(basic(), redirects(lambda ask: _PUT(ask) and "moved" not in ask.query, to, status))
    yield registry
    registry.stop()


@pytest.fixture
async def client(home: OddRegistry) -> AsyncIterator[RegistryClient]:
    registries = Registries(policy=RetryPolicy(tries=1))
    yield registries.client(home.host, Static(Credentials(*LOGIN)), TLSSettings(skip_verify=True))
    await registries.aclose()


@pytest.mark.parametrize(
    ("status", "place", "method", "body"),
    [
        (307, SAME, "PUT", BODY),
        (308, SAME, "PUT", BODY),
        (301, SAME, "PUT", BODY),
        (302, SAME, "PUT", BODY),
        (303, SAME, "GET", b""),
        (307, OTHER, "PUT", BODY),
        (308, OTHER, "PUT", BODY),
        (301, OTHER, "GET", b""),
        (302, OTHER, "GET", b""),
        (303, OTHER, "GET", b""),
    ],
)
async def test_what_is_sent_on(
    client: RegistryClient,
    home: OddRegistry,
    other: OddRegistry,
    status: int,
    place: str,
    method: str,
    body: bytes,
) -> None:
    await client.blobs.put_manifest("a", "1", "application/vnd.oci.image.manifest.v1+json", BODY)
    (found,) = (other if place == OTHER else home).asked(pattern="moved=1")
    assert (found.method, found.body) == (method, body)
    assert bool(found.authorization) == (place == SAME)


@pytest.mark.parametrize(("status", "place"), [(status, OTHER) for status in (307, 308)])
async def test_an_upload_is_streamed_to_nobody_by_a_redirect(
    client: RegistryClient, home: OddRegistry, other: OddRegistry, status: int, place: str
) -> None:
    """Its answer is the caller's: pieces cannot be sent twice."""
    opened = await client.blobs.begin("a", "sha256:" + "a" * 64, None)
    upload = client.blobs.upload("a", opened)
    assert upload is not None
    home.quirks.insert(0, redirects(asks("PUT", "upload"), lambda ask: f"http://{other.host}{ask.path}", status))

    async def pieces() -> AsyncGenerator[bytes, None]:
        yield b"x"

    answer = await client.blobs.put_stream(upload, "sha256:" + "a" * 64, pieces, 1)
    assert answer.status == status and other.log == []
