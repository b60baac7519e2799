"""The direct relay between real registries: byte for byte, in few requests, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest
from aiohttp import web

from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.login import Credentials
from dregsy_queue.oci.reference import Reference
from dregsy_queue.registry.credentials.source import Static
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.pool import Registries
from dregsy_queue.registry.tls import TLSSettings
from tests.conftest import MakeProxy, MakeRegistry
from tests.integration.lab import skopeo
from tests.lab.content import big_blob, content_of, push_artifact, push_layers, push_nested_index
from tests.lab.images import push_image, push_index
from tests.lab.odd.registry import OddRegistry
from tests.lab.proxy import Faults
from tests.lab.registry import Registry
from workers.relays.direct.blob import SMALL
from workers.relays.direct.body import Body
from workers.relays.direct.relay import DirectRelay
from workers.relays.relay import Access, Copy, CopyResult, RelayError

MIB = 2**20
#: From host, from reference, to host, to reference.
CopyImage = Callable[..., Awaitable[CopyResult]]


class Direct:
    """A relay and the clients that it needs."""

    def __init__(self, stalled_after: float = 60) -> None:
        self.relay = DirectRelay(stalled_after)
        self.registries = Registries()

    async def copy(
        self, source: str, target: str, *, user: Credentials | None = None, replaces: bool = False, run: str = ""
    ) -> CopyResult:
        """References with hosts; `user` signs in to the source."""
        read, write = self._access(source, user), self._access(target, None)
        names = Reference.parse(source), Reference.parse(target)
        return await self.relay.copy(Copy(*names, read, write, all_platforms=True, replaces=replaces, run=run))

    def _access(self, reference: str, user: Credentials | None) -> Access:
        tls = TLSSettings(skip_verify=True)
        return Access(user, True, None, self.registries.client(reference.partition("/")[0], Static(user), tls))


@pytest.fixture
async def direct() -> AsyncIterator[Direct]:
    found = Direct()
    yield found
    await found.registries.aclose()


async def test_all_kinds_arrive_byte_for_byte_as_by_skopeo(
    direct: Direct, source: Registry, target: Registry, make_registry: MakeRegistry, tmp_path: Path
) -> None:
    digests = {
        "docker": push_image(source, "lib/app", "docker", layers=3, size=400_000),
        "oci": push_image(source, "lib/app", "oci", layers=2, media="oci"),
        "list": push_index(source, "lib/app", "list", platforms=["linux/amd64", "linux/arm/v7"]).digest,
        "index": push_index(source, "lib/app", "index", platforms=["linux/amd64", "a/b"], media="oci").digest,
        "artifact": push_artifact(source, "lib/app", "artifact"),
        "nested": push_nested_index(source, "lib/app", "nested"),
    }
    by_skopeo = await asyncio.to_thread(make_registry)
    for tag, digest in digests.items():
        copied = await direct.copy(f"{source.host}/lib/app@{digest}", f"{target.host}/mirror/app:{tag}")
        assert copied.confirmed
        original = content_of(source, "lib/app", digest)
        assert content_of(target, "mirror/app", tag) == original, tag
        # skopeo of this age follows no index in an index
        if tag != "nested":
            done = skopeo.copy(
                tmp_path,
                f"{source.host}/lib/app@{digest}",
                f"{by_skopeo.host}/mirror/app:{tag}",
                "--all",
                "--preserve-digests",
            )
            assert done.returncode == 0, done.stderr
            assert content_of(by_skopeo, "mirror/app", tag) == original, tag


async def test_what_a_target_had_in_an_earlier_run_is_asked_for_again(direct: Direct, source: Registry) -> None:
    """Somebody may delete it in between, and some registries take a manifest whose parts they do not have."""
    pushed = push_index(source, "lib/app", "1", platforms=["linux/amd64", "linux/arm64"])
    lax = OddRegistry()
    try:
        for run in ("first", "second"):
            lax.store.manifests.clear()
            lax.store.blobs.clear()
            for tag in ("1", "2"):
                await direct.copy(f"{source.host}/lib/app@{pushed.digest}", f"{lax.host}/copy/app:{tag}", run=run)
            images = [json.loads(lax.store.manifests["copy/app", child][1]) for child in pushed.children.values()]
            parts = {part["digest"] for image in images for part in (image["config"], *image["layers"])}
            assert {digest for _, digest in lax.store.blobs} == parts, run
    finally:
        lax.stop()


async def test_requests_are_few(direct: Direct, source: Registry, target: Registry) -> None:
    digest = push_image(source, "lib/app", "1", layers=1)
    await direct.copy(f"{source.host}/lib/app@{digest}", f"{target.host}/lib/app:1")
    asked = [(request.method, request.path.partition("?")[0].split("/")[4]) for request in target.requests()[1:]]
    # config and layer: an upload each, opened and sent; then the manifest
    assert sorted(asked) == sorted([("POST", "blobs"), ("PUT", "blobs")] * 2 + [("PUT", "manifests")])
    for tag in ("2", "3"):
        await direct.copy(f"{source.host}/lib/app@{digest}", f"{target.host}/lib/app:{tag}")
    after = target.requests()[1 + len(asked) :]
    assert [request.method for request in after] == ["PUT", "PUT"]
    await direct.copy(f"{source.host}/lib/app@{digest}", f"{target.host}/other/app:1")
    assert [request.status for request in target.requests()[1 + len(asked) + 2 :]] == [201, 201, 201]
    # The manifest, config and layer; where nobody signs in, the first of them is the greeting, too.
    assert len([request for request in source.requests() if request.method == "GET"]) == 3


async def test_a_blob_that_many_want_at_once_moves_once(direct: Direct, source: Registry, target: Registry) -> None:
    layer, _ = big_blob(2 * MIB)
    digests = [push_layers(source, f"lib/app{n}", "1", layer, b"own %d" % n) for n in range(12)]
    copies = (
        direct.copy(f"{source.host}/lib/app{n}@{digest}", f"{target.host}/lib/app{n // 2}:{n}")
        for n, digest in enumerate(digests)
    )
    sent = [copied.sent or 0 for copied in await asyncio.gather(*copies)]
    assert sum(size >= len(layer) for size in sent) == 1
    for n, digest in enumerate(digests):
        assert target.digest(f"lib/app{n // 2}", str(n)) == digest


async def test_within_one_registry_no_byte_moves(direct: Direct, source: Registry) -> None:
    digest = push_layers(source, "lib/app", "1", big_blob(MIB)[0])
    copied = await direct.copy(f"{source.host}/lib/app@{digest}", f"{source.host}/other/app:1")
    assert copied.sent == 0
    assert content_of(source, "other/app", "1") == content_of(source, "lib/app", "1")


async def test_memory_is_bounded_however_big_a_blob_is(direct: Direct, source: Registry, target: Registry) -> None:
    layer, _ = big_blob(256 * MIB)
    digest = push_layers(source, "lib/big", "1", layer)
    del layer
    before, most = psutil.Process().memory_info().rss, 0
    task = asyncio.create_task(direct.copy(f"{source.host}/lib/big@{digest}", f"{target.host}/lib/big:1"))
    while not task.done():
        most = max(most, psutil.Process().memory_info().rss)
        await asyncio.sleep(0.02)
    assert (await task).sent or 256 * MIB < 0
    assert target.digest("lib/big", "1") == digest
    assert most - before < 24 * MIB


async def test_a_body_that_breaks_off_goes_on_where_it_was(
    direct: Direct, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    layer, name = big_blob(8 * MIB)
    digest = push_layers(source, "lib/app", "1", layer)
    ranges: list[str] = []

    async def note(request: web.Request) -> None:
        if name in request.path:
            ranges.append(request.headers.get("Range", ""))
            proxy.faults.cut = 1 if len(ranges) < 3 else 0

    proxy = make_proxy(source, faults=Faults(hook=note))
    await direct.copy(f"{proxy.host}/lib/app@{digest}", f"{target.host}/lib/app:1")
    assert content_of(target, "lib/app", "1") == content_of(source, "lib/app", "1")
    first, *more = [int(asked.removeprefix("bytes=").removesuffix("-") or 0) for asked in ranges]
    assert first == 0
    assert len(more) == 2
    assert all(offset > 2 * MIB for offset in more)
    assert more == sorted(more)


@pytest.mark.parametrize("size", [1000, 3 * MIB])
async def test_what_is_not_what_its_digest_says_never_arrives(
    direct: Direct, source: Registry, target: Registry, make_proxy: MakeProxy, size: int
) -> None:
    layer, name = big_blob(size)
    digest = push_layers(source, "lib/app", "1", layer)

    async def lie(request: web.Request) -> web.Response | None:
        return web.Response(body=layer[:-1] + b"!") if name in request.path else None

    proxy = make_proxy(source, faults=Faults(hook=lie))
    with pytest.raises(RegistryError, match="something else than its digest says") as error:
        await direct.copy(f"{proxy.host}/lib/app@{digest}", f"{target.host}/lib/app:1")
    assert error.value.temporary
    assert target.digest("lib/app", "1") is None
    assert target.session.head(f"{target.url}/v2/lib/app/blobs/{name}").status_code == 404


async def test_a_token_that_ends_on_the_way_is_renewed(
    direct: Direct, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    digest = push_layers(source, "lib/app", "1", *(big_blob(SMALL + n)[0] for n in range(6)))

    asked = 0

    async def revoke(request: web.Request) -> None:
        nonlocal asked
        asked += "/blobs/" in request.path and request.method in ("GET", "PUT")
        # once: a request that meets two such moments is refused for good
        if asked == 5:
            asked += 1
            proxy.revoke_tokens()
            far.revoke_tokens()

    proxy = make_proxy(source, users={"al": "secret"}, anonymous=False)
    far = make_proxy(target, users={"al": "secret"}, anonymous=True)
    for side in (proxy, far):
        side.faults.hook = revoke
    await direct.copy(f"{proxy.host}/lib/app@{digest}", f"{far.host}/lib/app:1", user=Credentials("al", "secret"))
    assert target.digest("lib/app", "1") == digest
    assert [entry for entry in (*proxy.log, *far.log) if entry.status == 401 and "/blobs/sha256" in entry.path]


@pytest.mark.parametrize(
    ("refuses", "used"),
    [
        # a proxy that lets 1 MiB through
        (lambda request, length: 413 if length > MIB else 0, "PATCH"),
        # no upload in one PUT
        (
            lambda request, length: 405 if request.method == "PUT" and length and "/blobs/" in request.path else 0,
            "PATCH",
        ),
        # no mounts
        (lambda request, length: 405 if "mount" in request.query else 0, "PUT"),
        # no HEAD of blobs
        (lambda request, length: 405 if request.method == "HEAD" and "/blobs/" in request.path else 0, "PUT"),
    ],
    ids=["413", "no-put", "no-mount", "no-head"],
)
async def test_a_registry_that_refuses_a_way_gets_another(
    direct: Direct,
    source: Registry,
    target: Registry,
    make_proxy: MakeProxy,
    refuses: Callable[[web.Request, int], int],
    used: str,
) -> None:
    digests = [push_layers(source, "lib/app", tag, big_blob(3 * MIB + int(tag))[0]) for tag in ("1", "2")]

    async def refuse(request: web.Request) -> web.Response | None:
        status = refuses(request, request.content_length or 0)
        return web.Response(status=status) if status else None

    proxy = make_proxy(target, faults=Faults(hook=refuse))
    for tag, digest in zip(("1", "2"), digests, strict=True):
        before = len(proxy.log)
        await direct.copy(f"{source.host}/lib/app@{digest}", f"{proxy.host}/lib/app:{tag}")
        assert target.digest("lib/app", tag) == digest
        assert used in [request.method for request in proxy.log[before:]]
    # it is remembered: nothing is refused any more but what has no other way
    assert [entry.method for entry in proxy.log[before:] if entry.status in (405, 413)] in ([], ["HEAD"])


async def test_blobs_that_went_away_are_sent_again(
    direct: Direct, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    digest = push_layers(source, "lib/app", "1", b"one", b"two")
    refused: list[str] = []

    async def forget(request: web.Request) -> web.Response | None:
        if request.method == "PUT" and "/manifests/" in request.path and not refused:
            refused.append(request.path)
            errors = [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown"}]
            return web.Response(status=400, text=json.dumps({"errors": errors}))
        return None

    proxy = make_proxy(target, faults=Faults(hook=forget))
    await direct.copy(f"{source.host}/lib/app@{digest}", f"{proxy.host}/lib/app:1")
    assert target.digest("lib/app", "1") == digest
    assert len(refused) == 1


async def test_a_storage_host_gets_no_login(
    direct: Direct, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    layer, _ = big_blob(MIB)
    digest = push_layers(source, "lib/app", "1", layer)
    storage = make_proxy(source)

    async def elsewhere(request: web.Request) -> web.Response | None:
        if request.method == "GET" and "/blobs/" in request.path and request.headers.get("Authorization"):
            return web.Response(status=307, headers={"Location": f"http://{storage.host}{request.path}?signed=1"})
        return None

    proxy = make_proxy(source, users={"al": "secret"}, anonymous=False, faults=Faults(hook=elsewhere))
    await direct.copy(f"{proxy.host}/lib/app@{digest}", f"{target.host}/lib/app:1", user=Credentials("al", "secret"))
    assert target.digest("lib/app", "1") == digest
    assert storage.count("GET", "/blobs/") == 2
    assert {entry.authorization for entry in storage.log} == {""}


async def test_who_stops_reading_a_blob_leaves_nothing_open(direct: Direct, source: Registry) -> None:
    layer, name = big_blob(4 * MIB)
    push_layers(source, "lib/app", "1", layer)
    blobs = direct.registries.client(source.host, Static(None), TLSSettings(skip_verify=True)).blobs
    before = asyncio.all_tasks()
    pieces = Body(blobs, "lib/app", Digest(name), len(layer)).pieces()
    assert layer.startswith(await anext(pieces))
    await pieces.aclose()
    # The loop begins now to close what nobody closed.
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("drips", [False, True])
async def test_a_stalled_body_is_given_up_and_nothing_goes_on(
    source: Registry, target: Registry, make_proxy: MakeProxy, drips: bool
) -> None:
    layer, name = big_blob(4 * MIB)
    digest = push_layers(source, "lib/app", "1", layer)

    async def stall(request: web.Request) -> web.StreamResponse | None:
        if name not in request.path:
            return None
        response = web.StreamResponse(headers={"Content-Length": str(len(layer))})
        await response.prepare(request)
        await response.write(layer[:MIB])
        for place in range(MIB, MIB + 600):
            if drips:
                await response.write(layer[place : place + 1])
            await asyncio.sleep(0.05)
        return response

    proxy = make_proxy(source, faults=Faults(hook=stall))
    direct = Direct(stalled_after=1)
    before = asyncio.all_tasks()
    with pytest.raises(RelayError, match="less than 100 B/s moved for 1 s") as error:
        await direct.copy(f"{proxy.host}/lib/app@{digest}", f"{target.host}/lib/app:1")
    assert error.value.temporary
    assert asyncio.all_tasks() == before
    task = asyncio.create_task(direct.copy(f"{proxy.host}/lib/app@{digest}", f"{target.host}/lib/app:1"))
    await asyncio.sleep(0.5)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
    await direct.registries.aclose()


async def test_a_login_that_is_refused_says_on_which_side(
    direct: Direct, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    digest = push_image(source, "lib/app", "1")
    proxy = make_proxy(source, users={"al": "secret"}, anonymous=False)
    with pytest.raises(RelayError) as error:
        await direct.copy(f"{proxy.host}/lib/app@{digest}", f"{target.host}/lib/app:1", user=Credentials("al", "wrong"))
    assert (error.value.kind, error.value.side) == ("unauthorized", "source")
