"""The registry client against real registries: logins, tokens, TLS, pages, faults."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from dregsy_queue.oci.login import Credentials
from dregsy_queue.oci.manifests import is_index, parse_index
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.credentials.source import Static
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.pool import Registries
from dregsy_queue.registry.responses import LONGEST_WAIT
from dregsy_queue.registry.tls import TLSSettings
from dregsy_queue.registry.transport import PLAIN_FOR, RetryPolicy
from tests.conftest import MakeProxy, MakeRegistry
from tests.lab.certificates import Authority
from tests.lab.clock import FakeClock
from tests.lab.images import push_image, push_index, tag_many
from tests.lab.odd.content import put_image
from tests.lab.odd.quirks import says
from tests.lab.odd.registry import OddRegistry
from tests.lab.processes import free_port
from tests.lab.proxy import Faults
from tests.lab.registry import Registry

BOB = Credentials("bob", "secret-word")
QUICK = RetryPolicy(tries=3, first=0.01)


@pytest.fixture
async def registries() -> AsyncIterator[Registries]:
    registries = Registries(policy=QUICK)
    yield registries
    await registries.aclose()


def connect(
    registries: Registries, host: str, credentials: Credentials | None = None, *, skip: bool = True, **tls: Path
) -> RegistryClient:
    return registries.client(host, Static(credentials), TLSSettings(skip_verify=skip, **tls))


async def test_heads_manifests_and_indexes(registries: Registries, source: Registry) -> None:
    for media in ("docker", "oci"):
        digest = push_image(source, f"lib/{media}", "1", media=media)
        pushed = push_index(source, f"lib/{media}", "all", platforms=["linux/amd64", "linux/arm64"], media=media)
        client = connect(registries, source.host)
        found = await client.head(f"lib/{media}", "1")
        assert found and found.digest == digest and not is_index(found.media_type)
        index = await client.head(f"lib/{media}", "all")
        assert index and index.digest == pushed.digest and is_index(index.media_type)
        _, body = await client.manifest(f"lib/{media}", index.digest)
        assert {str(e.platform): e.digest for e in parse_index(body)} == pushed.children
    assert await client.head("lib/oci", "none") is None
    assert await client.head("no/such", "1") is None


async def test_plain_http_only_where_asked_for(registries: Registries, source: Registry) -> None:
    push_image(source, "lib/app", "1")
    with pytest.raises(RegistryError) as caught:
        await connect(registries, source.host, skip=False).head("lib/app", "1")
    assert caught.value.kind == "tls" and "skip-tls-verify" in str(caught.value)
    assert await connect(registries, source.host).head("lib/app", "1")
    by_endpoint = Registries(endpoint_of={"registry.example": source.url}.get)
    assert await connect(by_endpoint, "registry.example", skip=False).head("lib/app", "1")
    await by_endpoint.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.0 400 Bad Request\r\n\r\n", id="HTTP"),
        pytest.param(b"", id="nothing"),
        pytest.param(bytes([0x15, 3, 1, 0, 2, 2, 40]), id="an alert"),
        pytest.param(b"\x16\x03\x03\xff\xff" + b"x" * 70_000, id="too much"),
    ],
)
async def test_plain_http_whatever_it_says_to_the_first_word_of_tls(registries: Registries, answer: bytes) -> None:
    """skopeo#1519: what cannot be asked by HTTPS is asked by HTTP, where certificates need not be verified."""
    body = b'{"tags": ["1"]}'
    plain = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_tls = await reader.read(1) == b"\x16"
        if not is_tls:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer if is_tls else plain)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await connect(registries, host, BOB).tags("lib/app") == ["1"]
        with pytest.raises(RegistryError):
            await connect(registries, host, skip=False).tags("lib/app")


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_list_that_cannot_be_had_in_part(registries: Registries, status: int) -> None:
    registry = OddRegistry(says(lambda ask: ask.kind == "tags" and "n" in ask.query, status))
    try:
        put_image(registry.store, "lib/app", "1")
        client = connect(registries, registry.host)
        await client.may_list("lib/app")
        assert await client.tags("lib/app") == ["1"]
        with pytest.raises(RegistryError):
            await client.may_list("no/such")
    finally:
        registry.stop()


async def test_a_secure_registry_that_fails_is_not_asked_in_plain(registries: Registries) -> None:
    """What listens beside it and sends everybody on to HTTPS is no registry."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(1)
        if first == b"\x16":
            writer.write(bytes([0x15, 3, 1, 0, 2, 2, 40]))
        else:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    heads: list[bytes] = []
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(RegistryError) as caught:
            await connect(registries, host, BOB).tags("lib/app")
    assert "alert" in str(caught.value).lower(), "the first error counts"
    assert heads and not any(b"uthorization" in head for head in heads)


async def test_https_that_comes_back_is_spoken_again() -> None:
    """While HTTPS is down, something else beside it may answer by HTTP."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_tls = await reader.read(1) == b"\x16"
        tried.append("TLS" if is_tls else "plain")
        if is_tls:
            writer.write(bytes([0x15, 3, 1, 0, 2, 2, 40]))
        else:
            await reader.readuntil(b"\r\n\r\n")
            body = b'{"tags": ["1"]}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    tried: list[str] = []
    clock = FakeClock()
    registries = Registries(policy=RetryPolicy(tries=1, clock=clock))
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        client = connect(registries, f"127.0.0.1:{server.sockets[0].getsockname()[1]}", BOB)
        assert await client.tags("lib/app") == ["1"]
        for later, first in ((PLAIN_FOR - 1, "plain"), (1, "TLS")):
            clock.now += later
            tried.clear()
            assert await client.tags("lib/app") == ["1"]
            assert tried[0] == first
    await registries.aclose()


async def test_basic_login(registries: Registries, make_registry: MakeRegistry) -> None:
    private = make_registry(users={"bob": "secret-word"})
    digest = push_image(private, "lib/app", "1")
    found = await connect(registries, private.host, BOB).head("lib/app", "1")
    assert found and found.digest == digest
    for credentials, words in ((None, "requires a login"), (Credentials("bob", "wrong-word"), "user 'bob' is refused")):
        with pytest.raises(RegistryError) as caught:
            await connect(registries, private.host, credentials).tags("lib/app")
        assert caught.value.kind == "auth" and not caught.value.temporary
        assert words in str(caught.value) and "word" not in str(caught.value)


async def test_one_token_serves_many_requests(registries: Registries, source: Registry, make_proxy: MakeProxy) -> None:
    tag_many(source, "lib/app", [f"{n}" for n in range(100)])
    hub = make_proxy(source, users={"bob": "secret-word"}, anonymous=False)
    client = connect(registries, hub.host, BOB)
    found = await asyncio.gather(*(client.head("lib/app", f"{n}") for n in range(100)))
    assert all(found)
    assert hub.tokens_given == 1, "a hundred requests at once fetch one token"
    assert hub.count("HEAD", status=401) == 0, "the greeting tells how to sign in"


async def test_tokens_are_renewed_when_they_end(
    registries: Registries, source: Registry, make_proxy: MakeProxy
) -> None:
    push_image(source, "lib/app", "1")
    hub = make_proxy(source, users={}, token_life=1)
    client = connect(registries, hub.host)
    assert await client.head("lib/app", "1")
    await asyncio.sleep(1.2)
    assert await client.head("lib/app", "1")
    assert hub.tokens_given == 2 and hub.count("HEAD", status=401) == 0, "renewed before the registry refused"
    hub.revoke_tokens()
    assert await client.head("lib/app", "1")
    assert hub.tokens_given == 3 and hub.count("HEAD", status=401) == 1, "renewed after a refusal"


async def test_a_refused_login_at_the_token_server(
    registries: Registries, source: Registry, make_proxy: MakeProxy
) -> None:
    hub = make_proxy(source, users={"bob": "secret-word"})
    with pytest.raises(RegistryError) as caught:
        await connect(registries, hub.host, Credentials("bob", "wrong-word")).tags("lib/app")
    assert caught.value.kind == "auth" and "'bob'" in str(caught.value) and "word" not in str(caught.value)


async def test_tls_with_a_private_authority(
    registries: Registries, make_registry: MakeRegistry, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    secure = make_registry(tls=authority.server())
    push_image(secure, "lib/app", "1")
    with pytest.raises(RegistryError) as caught:
        await connect(registries, secure.host, skip=False).head("lib/app", "1")
    assert caught.value.kind == "tls" and "not trusted" in str(caught.value)
    assert await connect(registries, secure.host).head("lib/app", "1")
    assert await connect(registries, secure.host, skip=False, ca=authority.certificate).head("lib/app", "1")
    folder = tmp_path / "certs.d" / "127.0.0.1"
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    assert await connect(registries, secure.host, skip=False, certs_dir=tmp_path / "certs.d").head("lib/app", "1")


async def test_authorities_as_go_accepts_them(registries: Registries, tmp_path: Path) -> None:
    root = Authority(tmp_path / "root")
    between = Authority(tmp_path / "between", root)
    single, weak = between.server("single"), root.server("weak", rsa_bits=1024)
    # The server's certificate, and what is trusted.
    pairs = [(between.server(), between.certificate), (single, single.certificate), (weak, root.certificate)]
    for number, (served, trusted) in enumerate(pairs):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("DEFAULT:@SECLEVEL=1")
        context.load_cert_chain(served.certificate, served.key)
        secure = OddRegistry(tls=context)
        put_image(secure.store, "lib/app", "1")
        folder = tmp_path / f"certs{number}" / "127.0.0.1"
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(trusted.read_bytes())
        assert await connect(registries, secure.host, skip=False, certs_dir=folder.parent).head("lib/app", "1")
        with pytest.raises(RegistryError, match="not trusted"):
            await connect(registries, secure.host, skip=False).head("lib/app", "1")
        secure.stop()


async def test_mutual_tls(registries: Registries, make_registry: MakeRegistry, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    client = authority.client()
    secure = make_registry(tls=authority.server(), client_ca=authority.certificate, client=client)
    push_image(secure, "lib/app", "1")
    with pytest.raises(RegistryError):
        await connect(registries, secure.host, skip=False, ca=authority.certificate).head("lib/app", "1")
    folder = tmp_path / "certs.d" / "127.0.0.1"
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    (folder / "me.cert").write_bytes(client.certificate.read_bytes())
    (folder / "me.key").write_bytes(client.key.read_bytes())
    assert await connect(registries, secure.host, skip=False, certs_dir=tmp_path / "certs.d").head("lib/app", "1")


async def test_tag_lists_are_followed_to_their_end(
    registries: Registries, source: Registry, make_proxy: MakeProxy
) -> None:
    tags = [f"t{n:03}" for n in range(130)]
    tag_many(source, "lib/app", tags)

    async def small_pages(request: web.Request) -> web.StreamResponse | None:
        if not request.path.endswith("/tags/list"):
            return None
        start = int(request.query.get("from", 0))
        link = f"<http://elsewhere.example{request.path}?from={start + 40}> ; rel=next"
        headers = {"Link": link} if start + 40 < len(tags) else {}
        # pages of different sizes, an empty one among them, and a name that is no tag
        page = [] if start == 80 else tags[start : start + 40] + (["no tag!"] if start == 0 else [])
        return web.json_response({"name": "lib/app", "tags": page}, headers=headers)

    assert sorted(await connect(registries, source.host).tags("lib/app")) == tags
    odd = make_proxy(source, faults=Faults(hook=small_pages))
    assert await connect(registries, odd.host).tags("lib/app") == tags[:80] + tags[120:]


@pytest.mark.parametrize(
    ("path", "words"),
    [("circle", "in a circle"), ("huge", "bigger than 16 MiB"), ("odd", "has no 'tags'"), ("deep", "has no 'tags'")],
)
async def test_hostile_lists_are_bounded(
    registries: Registries, source: Registry, make_proxy: MakeProxy, path: str, words: str
) -> None:
    async def hostile(request: web.Request) -> web.StreamResponse | None:
        if "huge" in request.path:
            response = web.StreamResponse()
            await response.prepare(request)
            try:
                while True:
                    await response.write(b'"x",' * 65536)
            except (ConnectionResetError, asyncio.CancelledError):
                return response
        if "circle" in request.path:
            return web.json_response({"tags": ["a"]}, headers={"Link": f'<{request.path_qs}>; rel="next"'})
        if "deep" in request.path:
            return web.Response(body=b"[" * 200_000, content_type="application/json")
        return web.json_response({"tag": []})

    bad = make_proxy(source, faults=Faults(hook=hostile))
    with pytest.raises(RegistryError) as caught:
        await connect(registries, bad.host).tags(path)
    assert words in str(caught.value) and not caught.value.temporary


async def test_temporary_errors_are_tried_again(
    registries: Registries, source: Registry, make_proxy: MakeProxy
) -> None:
    push_image(source, "lib/app", "1")
    flaky = make_proxy(source, faults=Faults(unavailable=0.3))
    client = Registries(policy=RetryPolicy(tries=8, first=0.01))
    assert all([await connect(client, flaky.host).head("lib/app", "1") for _ in range(50)])
    assert flaky.count("HEAD", status=503) > 5
    await client.aclose()
    dead = make_proxy(source, faults=Faults(unavailable=1))
    with pytest.raises(RegistryError) as caught:
        await connect(registries, dead.host).head("lib/app", "1")
    assert caught.value.temporary and caught.value.kind == "unavailable" and dead.count("HEAD") == 3


@pytest.mark.parametrize(("after", "tries"), [("0", 3), ("3600", 1)])
async def test_retry_after_is_obeyed(
    registries: Registries, source: Registry, make_proxy: MakeProxy, after: str, tries: int
) -> None:
    async def limit(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": after})

    hub = make_proxy(source, faults=Faults(hook=limit))
    with pytest.raises(RegistryError) as caught:
        await connect(registries, hub.host).tags("lib/app")
    assert (
        caught.value.kind == "rate-limited"
        and caught.value.temporary
        and caught.value.retry_after == min(float(after), LONGEST_WAIT)
    )
    assert hub.count("GET", "tags/list") == tries


async def test_an_unreachable_registry(registries: Registries) -> None:
    for host, words, temporary in (
        (f"127.0.0.1:{free_port()}", "connection refused", True),
        ("no-such.invalid", "name is not known", None),
    ):
        with pytest.raises(RegistryError) as caught:
            await connect(registries, host).head("lib/app", "1")
        assert words in str(caught.value) and host in str(caught.value)
        assert temporary is None or caught.value.temporary


async def test_credentials_do_not_follow_a_redirect_to_another_host(
    registries: Registries, make_registry: MakeRegistry, make_proxy: MakeProxy
) -> None:
    private = make_registry(users={"bob": "secret-word"})
    push_image(private, "lib/app", "1")
    thief = make_proxy(private)

    async def redirect(request: web.Request) -> web.StreamResponse | None:
        if "lib/app" in request.path and request.headers.get("Authorization"):
            return web.Response(status=307, headers={"Location": f"http://{thief.host}{request.path}"})
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

    redirecting = make_proxy(private, faults=Faults(hook=redirect))
    with pytest.raises(RegistryError):
        await connect(registries, redirecting.host, BOB).head("lib/app", "1")
    assert thief.log and not any(entry.authorization for entry in thief.log)


@pytest.mark.parametrize("digest", ["$(touch evil)", "../../x", "sha256:", "x y"])
async def test_a_digest_that_is_none(
    registries: Registries, source: Registry, make_proxy: MakeProxy, digest: str
) -> None:
    real = push_image(source, "lib/app", "1")

    async def odd(request: web.Request) -> web.StreamResponse | None:
        if request.method != "HEAD":
            return None
        return web.Response(headers={"Docker-Content-Digest": digest, "Content-Type": "application/json"})

    hostile = make_proxy(source, faults=Faults(hook=odd))
    found = await connect(registries, hostile.host).head("lib/app", "1")
    assert found and found.digest == real


async def test_a_registry_that_names_no_digest(registries: Registries, source: Registry, make_proxy: MakeProxy) -> None:
    digest = push_image(source, "lib/app", "1")
    old = make_proxy(source, faults=Faults(without_headers=("docker-content-digest",)))
    found = await connect(registries, old.host).head("lib/app", "1")
    assert found and found.digest == digest


async def test_a_lying_registry(registries: Registries, source: Registry, make_proxy: MakeProxy) -> None:
    digest = push_image(source, "lib/app", "1")
    liar = make_proxy(source, faults=Faults(answers=[("GET .*/manifests/", 200, b'{"schemaVersion": 2}')]))
    with pytest.raises(RegistryError, match="sent something else"):
        await connect(registries, liar.host).manifest("lib/app", digest)


async def test_lists_without_end_are_bounded(
    registries: Registries, source: Registry, make_proxy: MakeProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page is another one, so that there is no circle to find."""

    async def endless(request: web.Request) -> web.StreamResponse | None:
        number = int(request.query.get("number", 0))
        body = {"tags": [f"t{number}"], "repositories": [f"r{number}-{n}" for n in range(10)]}
        return web.json_response(body, headers={"Link": f'<{request.path}?number={number + 1}>; rel="next"'})

    hostile = make_proxy(source, faults=Faults(hook=endless))
    client = connect(registries, hostile.host)
    assert len(await client.catalog(25)) == 25 and hostile.count("GET", "catalog") == 3, "no page more than is wanted"
    monkeypatch.setattr("dregsy_queue.registry.pages.MOST_PAGES", 40)
    monkeypatch.setattr("dregsy_queue.registry.pages.MOST_NAMES", 300)
    for listing, words in ((client.tags("a"), "more than 40 pages"), (client.catalog(None), "more than 300 names")):
        with pytest.raises(RegistryError) as caught:
            await listing
        assert words in str(caught.value) and not caught.value.temporary
    assert hostile.count("GET", "catalog|tags") == 3 + 40 + 31


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_followed_but_not_for_ever(
    registries: Registries, source: Registry, make_proxy: MakeProxy, status: int
) -> None:
    digest = push_image(source, "lib/app", "1")

    async def redirect(request: web.Request) -> web.StreamResponse | None:
        if "/circle/" in request.path:
            return web.Response(status=status, headers={"Location": f"{request.path_qs}x"})
        if request.query:
            return None
        return web.Response(status=status, headers={"Location": f"{request.path}?again=1"})

    moved = make_proxy(source, faults=Faults(hook=redirect))
    found = await connect(registries, moved.host).head("lib/app", "1")
    assert found and found.digest == digest
    with pytest.raises(RegistryError, match="redirects in circles") as caught:
        await connect(registries, moved.host).head("circle/app", "1")
    assert not caught.value.temporary and moved.count("HEAD", "circle") == 10


async def test_no_redirect_leaves_https(
    registries: Registries, make_registry: MakeRegistry, source: Registry, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    certificate = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)

    async def downgrade(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"{source.url}{request.path}"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", downgrade)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    push_image(source, "lib/app", "1")
    with pytest.raises(RegistryError, match="from HTTPS to 'http'"):
        await connect(registries, f"127.0.0.1:{port}", skip=False, ca=authority.certificate).head("lib/app", "1")
    await runner.cleanup()
    assert not [request for request in source.requests() if "lib/app" in request.path]


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b'{"token": 5}', b"\xff", b"null", b'{"token": ""}'],
    ids=["deep", "number", "no text", "null", "empty"],
)
async def test_odd_answers_of_token_servers(
    registries: Registries, source: Registry, make_proxy: MakeProxy, body: bytes
) -> None:
    async def odd(request: web.Request) -> web.StreamResponse:
        if request.path == "/tokens":
            return web.Response(body=body)
        challenge = f'Bearer realm="http://{request.host}/tokens",service="x"'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    hostile = make_proxy(source, faults=Faults(hook=odd))
    with pytest.raises(RegistryError, match="holds no token"):
        await connect(registries, hostile.host).head("lib/app", "1")


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b"{}", b'{"manifests": 5}', b'{"manifests": [5]}', b"\xff"]
    + [b'{"manifests": [{"digest": "$(x)"}]}', b'{"manifests": [{"digest": "../.."}]}'],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_odd_indexes(body: bytes) -> None:
    with pytest.raises(ValueError, match="not an image index"):
        parse_index(body)


async def test_what_a_registry_says_is_one_printable_line(
    registries: Registries, source: Registry, make_proxy: MakeProxy
) -> None:
    message = "no\x1b[2J\nlevel=info msg=forged " + "x" * 5000
    body = json.dumps({"errors": [{"message": message}]}).encode()
    hostile = make_proxy(
        source, faults=Faults(answers=[("GET .*/tags/", 418, body), ("(HEAD|GET) .*/manifests/", 400, b"[" * 200_000)])
    )
    with pytest.raises(RegistryError) as caught:
        await connect(registries, hostile.host).tags("lib/app")
    text = str(caught.value)
    assert text.isprintable() and len(text) < 600 and "no [2J level=info" in text
    with pytest.raises(RegistryError, match="HTTP 400"):
        await connect(registries, hostile.host).head("lib/app", "1")
