"""What one worker put at a target registry another mounts, by both relays; and what the index says wrongly costs only
the usual way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from dregsy_queue.ledger.blobs import LEASE, BlobIndex, Seen
from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.keys import key
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.oci.reference import Reference
from dregsy_queue.registry.credentials.source import Static
from dregsy_queue.registry.pool import Registries
from dregsy_queue.registry.tls import TLSSettings
from tests.conftest import MakeProxy
from tests.lab.content import big_blob, content_of, push_layers
from tests.lab.images import push_index
from tests.lab.processes import tool, wait_until
from tests.lab.proxy import Faults, Quota
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry
from workers.cluster_blobs import ClusterBlobs
from workers.relays.direct.blob import WORTH_WAITING
from workers.relays.direct.relay import DirectRelay
from workers.relays.relay import Access, Copy, CopyResult, Relay
from workers.relays.skopeo.mounts import REFUSALS, VAIN
from workers.relays.skopeo.relay import SkopeoRelay

LAYERS = [bytes([n]) * 30_000 for n in range(3)]


class Node:
    """What one worker has: a relay that knows nothing of other workers' machines, and the index that all share."""

    def __init__(self, relay: Relay, redis: RedisServer) -> None:
        self.relay = relay
        self.index = BlobIndex(connect(redis.url))
        self.others = ClusterBlobs(self.index)
        self.registries = Registries()

    async def copy(self, source: str, target: str) -> CopyResult:
        """References with hosts. Afterwards the other workers know of it."""
        copied = await self.relay.copy(
            Copy(
                Reference.parse(source),
                Reference.parse(target),
                self._access(source),
                self._access(target),
                all_platforms=True,
                others=self.others,
            )
        )
        await self.others.flush()
        return copied

    def _access(self, reference: str) -> Access:
        tls = TLSSettings(skip_verify=True)
        return Access(None, True, None, self.registries.client(reference.partition("/")[0], Static(None), tls))


MakeNode = Callable[[str], Node]


@pytest.fixture
async def make_node(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[MakeNode]:
    """Makes workers, by the name of their relay; skopeo has a cache of its own in each."""
    made: list[Node] = []

    def make(relay: str) -> Node:
        number = len(made)
        works = DirectRelay(60) if relay == "direct" else SkopeoRelay(_skopeo_alone(tmp_path / f"node{number}"))
        made.append(Node(works, redis_server))
        return made[-1]

    yield make
    for node in made:
        await node.registries.aclose()


def _skopeo_alone(folder: Path) -> str:
    """skopeo on a machine where it has pushed nothing yet. Root's has one cache per machine, so it runs as another."""
    folder.mkdir()
    cache = Path("/tmp") / f"lab-{os.getpid()}-{id(folder)}"
    who = "setpriv --reuid=65534 --regid=65534 --clear-groups" if os.getuid() == 0 else ""
    path = folder / "skopeo"
    lines = [
        "#!/bin/sh",
        f"mkdir -m 777 -p {cache}",
        f"export HOME={cache} XDG_DATA_HOME={cache} XDG_RUNTIME_DIR={cache}",
    ]
    lines += [f'{who} {tool("skopeo")} "$@"', "code=$?", f"rm -rf {cache}", "exit $code"]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)
    return str(path)


def uploads(registry: Registry, repository: str) -> list[str]:
    """Requests by which bytes of blobs came into a repository."""
    path = f"/v2/{repository}/blobs/uploads/"
    return [r.method for r in registry.requests() if r.method in ("PUT", "PATCH") and r.path.startswith(path)]


@pytest.mark.parametrize("relay", ["direct", "skopeo"])
async def test_a_second_repository_moves_no_layer_whichever_worker_does_it(
    relay: str, make_node: MakeNode, source: Registry, target: Registry
) -> None:
    digest = push_layers(source, "lib/app", "1", *LAYERS)
    one, other = make_node(relay), make_node(relay)
    await one.copy(f"{source.host}/lib/app@{digest}", f"{target.host}/first/app:1")
    assert uploads(target, "first/app")
    await other.copy(f"{source.host}/lib/app@{digest}", f"{target.host}/second/app:1")
    # another image with the same layers
    same = push_layers(source, "lib/more", "1", *reversed(LAYERS))
    read = len(source.requests())
    await make_node(relay).copy(f"{source.host}/lib/more@{same}", f"{target.host}/third/more:1")
    assert not uploads(target, "second/app") and not uploads(target, "third/more")
    layers = {f"/v2/lib/more/blobs/{Digest.of(layer)}" for layer in LAYERS}
    assert not [request for request in source.requests()[read:] if request.path in layers]
    assert content_of(target, "third/more", "1") == content_of(source, "lib/more", same)


async def test_an_index_of_platforms_whose_blobs_are_known(
    make_node: MakeNode, source: Registry, target: Registry
) -> None:
    digest = push_index(source, "lib/app", "1", platforms=["linux/amd64", "linux/arm64"], media="oci").digest
    await make_node("direct").copy(f"{source.host}/lib/app@{digest}", f"{target.host}/first/app:1")
    await make_node("skopeo").copy(f"{source.host}/lib/app@{digest}", f"{target.host}/second/app:1")
    assert not uploads(target, "second/app")
    assert content_of(target, "second/app", "1") == content_of(source, "lib/app", digest)


async def test_a_source_that_counts_pulls_is_not_read_for_it(
    make_node: MakeNode, source: Registry, target: Registry, make_proxy: MakeProxy, redis_server: RedisServer
) -> None:
    hub = make_proxy(source, quota=Quota(100, 600))
    digest = push_layers(source, "lib/app", "1", *LAYERS)
    other = push_layers(source, "lib/app", "2", *reversed(LAYERS))
    redis_server.client().set(key("quota", registry_key(hub.host)), "")
    await make_node("skopeo").copy(f"{hub.host}/lib/app@{digest}", f"{target.host}/first/app:1")
    await make_node("skopeo").copy(f"{hub.host}/lib/app@{digest}", f"{target.host}/second/app:1")
    await make_node("skopeo").copy(f"{hub.host}/lib/app@{other}", f"{target.host}/third/app:1")
    assert len([one for one in hub.log if "/manifests/" in one.path and one.method == "GET"]) == 3, "skopeo's own"
    assert not uploads(target, "second/app"), "its blobs are known since the first copy"
    assert uploads(target, "third/app"), "nobody knows them without a pull"


@pytest.mark.parametrize(("relay", "status"), [("direct", 403), ("skopeo", 202), ("skopeo", 405)])
async def test_a_registry_that_does_not_mount(
    relay: str, status: int, make_node: MakeNode, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    """202: it opens an upload instead, as for a blob that is not there."""

    async def hook(request: web.Request) -> web.StreamResponse | None:
        if request.method != "POST" or "mount" not in request.query:
            return None
        asked.append(request.query.get("from", ""))
        if status != 202:
            return web.json_response({"errors": [{"code": "DENIED"}]}, status=status)
        answer = await asyncio.to_thread(target.session.post, f"{target.url}{request.path}")
        return web.Response(status=202, headers={"Location": answer.headers["Location"]})

    asked: list[str] = []
    refusing = make_proxy(target, faults=Faults(hook=hook))
    digest = push_layers(source, "lib/app", "1", *LAYERS)
    await make_node(relay).copy(f"{source.host}/lib/app@{digest}", f"{refusing.host}/first/app:1")
    node = make_node(relay)
    for number in range(5):
        node.index.note(Seen(refusing.host, "first/app", blob) for blob in content_of(source, "lib/app", digest).blobs)
        asked.clear()
        await node.copy(f"{source.host}/lib/app@{digest}", f"{refusing.host}/more/app{number}:1")
        assert content_of(target, f"more/app{number}", "1") == content_of(source, "lib/app", digest)
    assert "first/app" not in asked, f"it was asked in vain before; with 202 {REFUSALS} times"
    assert relay == "direct" or not asked


@pytest.mark.parametrize("relay", ["direct", "skopeo"])
async def test_what_the_index_does_not_know_or_says_wrongly_costs_the_usual_way(
    relay: str, make_node: MakeNode, source: Registry, target: Registry, redis_server: RedisServer
) -> None:
    digest = push_layers(source, "lib/app", "1", *LAYERS)
    await make_node(relay).copy(f"{source.host}/lib/app@{digest}", f"{target.host}/first/app:1")
    blobs = content_of(source, "lib/app", digest).blobs
    for blob in blobs:
        assert target.session.delete(f"{target.url}/v2/first/app/blobs/{blob}").status_code == 202
    node = make_node(relay)
    await node.copy(f"{source.host}/lib/app@{digest}", f"{target.host}/second/app:1")
    assert content_of(target, "second/app", "1") == content_of(source, "lib/app", digest)
    assert set(node.index.find([(target.host, blob) for blob in blobs])) == {("second/app",)}
    redis_server.client().flushall()
    await make_node(relay).copy(f"{source.host}/lib/app@{digest}", f"{target.host}/third/app:1")
    redis_server.kill()
    await make_node(relay).copy(f"{source.host}/lib/app@{digest}", f"{target.host}/fourth/app:1")
    for repository in ("third/app", "fourth/app"):
        assert content_of(target, repository, "1") == content_of(source, "lib/app", digest)


async def test_manifests_are_not_read_again_and_again_in_vain(
    make_node: MakeNode, source: Registry, target: Registry
) -> None:
    digests = [push_layers(source, "lib/app", f"{n}", b"own %d" % n) for n in range(5)]
    node = make_node("skopeo")
    for number, digest in enumerate(digests):
        before = len(source.requests())
        await node.copy(f"{source.host}/lib/app@{digest}", f"{target.host}/lib/app:{number}")
        read = [request.agent for request in source.requests()[before:] if "/manifests/" in request.path]
        ours = [agent for agent in read if agent.startswith("dregsy_queue")]
        # Of the first nobody knows any blob there yet; the config of all is one, and in the repository already.
        assert len(ours) == (1 if 0 < number <= VAIN else 0), number


async def test_many_workers_want_a_blob_at_once(make_node: MakeNode, source: Registry, target: Registry) -> None:
    layer, name = big_blob(2 * WORTH_WAITING)
    digests = [push_layers(source, f"lib/app{n}", "1", layer, b"own %d" % n) for n in range(6)]
    copies = (
        make_node("direct").copy(f"{source.host}/lib/app{n}@{digest}", f"{target.host}/lib/app{n}:1")
        for n, digest in enumerate(digests)
    )
    sent = [copied.sent or 0 for copied in await asyncio.gather(*copies)]
    assert sum(size >= len(layer) for size in sent) == 1
    assert len([request for request in source.requests() if name in request.path]) == 1
    for n, digest in enumerate(digests):
        assert target.digest(f"lib/app{n}", "1") == digest


async def test_a_mover_that_is_gone_is_waited_for_until_its_lease_ends(
    make_node: MakeNode, source: Registry, target: Registry, redis_server: RedisServer
) -> None:
    layer, name = big_blob(WORTH_WAITING)
    digest = push_layers(source, "lib/app", "1", layer)
    node = make_node("direct")
    assert node.index.lead(target.host, name, "killed") == "mine"
    copying = asyncio.create_task(node.copy(f"{source.host}/lib/app@{digest}", f"{target.host}/lib/app:1"))
    redis = redis_server.client()
    await asyncio.to_thread(wait_until, lambda: uploads(target, "lib/app"), 20, "the config")
    assert not copying.done()
    (lease,) = redis.keys(key("moving", "*"))
    assert 0 < redis.ttl(lease) <= LEASE
    redis.expire(lease, 1)
    await copying
    assert target.digest("lib/app", "1") == digest
    await asyncio.to_thread(wait_until, lambda: not redis.keys(key("moving", "*")), 5, "the lease to be given back")


async def test_a_manifest_that_is_refused_while_another_upload_touches_its_blobs(
    make_node: MakeNode, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    """As distribution answers when jobs of one repository upload the same layer at once."""
    refused: list[str] = []

    async def hook(request: web.Request) -> web.StreamResponse | None:
        if request.method != "PUT" or "/manifests/" not in request.path or refused:
            return None
        refused.append(request.path)
        return web.json_response({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown"}]}, status=400)

    busy = make_proxy(target, faults=Faults(hook=hook))
    digest = push_layers(source, "lib/app", "1", *LAYERS)
    await make_node("skopeo").copy(f"{source.host}/lib/app@{digest}", f"{busy.host}/lib/app:1")
    assert refused and target.digest("lib/app", "1") == digest
