"""Mappings by expression: repositories are listed, matched, and renamed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.access.repositories import choose
from dregsy_queue.config.models import Config, Location
from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry.credentials.source import Static
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.listers.dockerhub import DockerHubLister
from dregsy_queue.registry.listers.index import IndexLister
from dregsy_queue.registry.pool import Registries
from dregsy_queue.registry.throttle import NoPacing
from dregsy_queue.registry.tls import TLSSettings
from tests.conftest import MakeProxy
from tests.lab.cluster import Cluster
from tests.lab.dregsy import location, mapping, sync, task, write_config
from tests.lab.images import push_image
from tests.lab.proxy import Faults
from tests.lab.registry import Registry


def fill(source: Registry, names: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: push_image(source, name, "1"), names))


def test_a_catalog_of_250_repositories(tmp_path: Path, source: Registry, target: Registry) -> None:
    fill(source, [f"team{n % 2}/app{n:03}" for n in range(250)])
    config = write_config(
        tmp_path,
        task("t", location(source), location(target), mapping(r"regex:team1/app\d*[05]", "regex:^/team1/,/mirror/x-")),
        lister={"maxItems": -1},
    )
    outcome = sync(config)
    wanted = {f"mirror/x-app{n:03}" for n in range(250) if n % 2 and n % 5 == 0}
    assert (outcome.code, outcome.counts("t")) == (0, (len(wanted), 0, 0))
    catalog = target.session.get(f"{target.url}/v2/_catalog?n=1000").json()["repositories"]
    assert set(catalog) == wanted
    assert sync(config).counts("t") == (0, len(wanted), 0)


def test_the_list_is_cut_exactly_and_says_so(tmp_path: Path, source: Registry, target: Registry) -> None:
    fill(source, [f"app{n}" for n in range(9)])
    config = write_config(
        tmp_path, task("t", location(source), location(target), mapping("regex:.*", "dh")), lister={"maxItems": 5}
    )
    outcome = sync(config)
    assert outcome.counts("t") == (5, 0, 0)
    assert "more than 5 repositories" in outcome.stderr
    assert {job["target"].split("/", 1)[1] for job in outcome.jobs("t")} == {f"dh/app{n}:1" for n in range(5)}


def test_a_list_that_is_refused_stops_no_other_mapping(
    tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    fill(source, [f"app{n}" for n in range(9)])
    closed = make_proxy(source, faults=Faults(answers=[("GET /v2/_catalog", 403, b"")]))
    plain = [mapping(f"app{n}") for n in range(9)]
    config = write_config(tmp_path, task("t", location(closed.host), location(target), mapping("regex:.*"), *plain))
    outcome = sync(config)
    assert (outcome.code, outcome.counts("t")) == (1, (9, 0, 1))
    (failed,) = [job for job in outcome.jobs("t") if job["status"] == "failed"]
    assert "list of repositories: access is denied" in failed["error"]


@pytest.mark.timeout(120)
def test_all_workers_share_the_list(
    cluster: Cluster, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    fill(source, [f"app{n}" for n in range(4)])
    counting = make_proxy(source)
    tasks = [task(f"t{n}", location(counting.host), location(target), mapping("regex:.*", f"x{n}")) for n in range(3)]
    config = write_config(cluster.folder, *tasks)
    cluster.worker(config, "w1", "--concurrency", "2")
    cluster.beat(config, DREGSY_RUN="t0")
    cluster.wait_for("t0", lambda counts: counts.done)
    cluster.worker(config, "w2")
    cluster.roles[1].process.kill()
    cluster.beat(config)
    for n in (1, 2):
        assert cluster.wait_for(f"t{n}", lambda counts: counts.done, timeout=60).copied == 4
    assert counting.count("GET", "_catalog") == 1


def test_the_index_of_a_registry(tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy) -> None:
    fill(source, ["jenkins/jnlp-slave", "jenkins/other", "library/x"])

    async def search(request: web.Request) -> web.StreamResponse | None:
        if request.path != "/v1/search":
            return None
        assert request.query["q"] == "jenkins" and request.query["n"] == "50"
        return web.json_response({"results": [{"name": "jenkins/jnlp-slave"}, {"name": "jenkins/other"}]})

    hub = make_proxy(source, faults=Faults(hook=search))
    lister = {"type": "index", "search": "jenkins"}
    mapped = mapping("regex:jenkins/jnlp-s.*", "regex:jenkins/,other-jenkins/")
    config = write_config(
        tmp_path, task("t", location(hub.host, lister=lister), location(target), mapped), lister={"maxItems": 50}
    )
    assert sync(config).counts("t") == (1, 0, 0)
    assert target.tags("other-jenkins/jnlp-slave") == ["1"]


@pytest.mark.parametrize(("limit", "asked"), [(None, "100"), (500, "100"), (50, "50"), (1, "1")])
async def test_the_index_is_asked_for_as_many_as_it_gives(
    source: Registry, make_proxy: MakeProxy, limit: int | None, asked: str
) -> None:
    async def search(request: web.Request) -> web.StreamResponse | None:
        assert (request.query["q"], request.query["n"]) == ("busybox & co", asked)
        return web.json_response({"results": [{"name": "busybox"}, {"name": "a/b"}, {"is": "odd"}, "odd"]})

    hub = make_proxy(source, faults=Faults(hook=search))
    registries = Registries()
    client = registries.client(hub.host, Static(None), TLSSettings(skip_verify=True))
    names = await IndexLister(client, "library/busybox & co").repositories(limit)
    await registries.aclose()
    assert names == ["busybox", "a/b"][: limit or 2]


def test_docker_hubs_index_has_a_host_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(RegistryAccess, "client", lambda _, location, endpoint=None: asked.append(endpoint))
    for host in ("docker.io", "registry.hub.docker.com", "index.docker.io", "quay.io"):
        location = Location.model_validate({"registry": host, "lister": {"type": "index", "search": "x"}})
        assert isinstance(choose(location, RegistryAccess(Config(), NoPacing())), IndexLister)
    assert asked == ["https://index.docker.io"] * 3 + [None]


Hub = Callable[[Callable[[web.Request], Any]], DockerHubLister]


@pytest.fixture
def hub(source: Registry, make_proxy: MakeProxy) -> Hub:
    """A lister whose Docker Hub answers lists as a function says; bob may sign in."""

    def make(answer: Callable[[web.Request], Any]) -> DockerHubLister:
        async def hook(request: web.Request) -> web.StreamResponse | None:
            if request.path == "/v2/users/login/":
                good = await request.json() == {"username": "bob", "password": "secret-word"}
                return web.json_response({"token": "t"} if good else {"detail": "no"}, status=200 if good else 401)
            assert request.headers["Authorization"] == "JWT t"
            found = answer(request)
            return found if isinstance(found, web.StreamResponse) else web.json_response(found)

        stand_in = make_proxy(source, faults=Faults(hook=hook))
        return DockerHubLister(Credentials("bob", "secret-word"), f"http://{stand_in.host}")

    return make


def image(name: str) -> dict[str, str]:
    # as long as Docker Hub's entries, so that a page comes in many pieces
    return {"namespace": "bob", "name": name, "repository_type": "image", "description": "x" * 2000}


async def test_docker_hubs_own_list(hub: Hub) -> None:
    def three_pages(request: web.Request) -> Any:
        assert request.path == "/v2/repositories/bob/"
        page = int(request.query.get("page", 1))
        assert page > 1 or request.query["page_size"] == "100"
        results: list[Any] = [image(f"app{page}-{n}") for n in range(100)]
        results += [{**image("chart"), "repository_type": "other"}, None]
        return {
            "results": results,
            "next": f"http://{request.host}{request.path}?page={page + 1}" if page < 3 else None,
        }

    lister = hub(three_pages)
    names = await lister.repositories(None)
    assert len(names) == 300 and names[0] == "bob/app1-0" and "bob/chart" not in names
    assert len(await lister.repositories(4)) == 4
    with pytest.raises(RegistryError, match="refused") as caught:
        await DockerHubLister(Credentials("bob", "wrong-word"), lister.base).repositories(None)
    assert "word" not in str(caught.value)
    with pytest.raises(RegistryError, match="needs 'auth'"):
        await DockerHubLister(None, lister.base).repositories(None)


@pytest.mark.parametrize(
    ("answer", "words", "temporary"),
    [
        (lambda request: {"results": [], "next": str(request.url)}, "does not end", False),
        (lambda request: {"results": [], "next": f"http://{request.host}.evil.example/"}, "to another host", False),
        (lambda _: {"results": [], "next": "//evil.example/v2"}, "to another host", False),
        (lambda _: {"results": [], "next": 5}, "HTTP 404", False),
        (lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}), "HTTP 302", False),
        (lambda _: web.Response(status=404), "HTTP 404", False),
        (lambda _: web.Response(status=429), "HTTP 429", True),
        (lambda _: web.Response(status=503), "HTTP 503", True),
        (lambda _: web.Response(body=b"<html>"), "not understood", False),
        (lambda _: web.Response(body=b"[" * 200_000), "not understood", False),
        (lambda _: web.Response(body=b" " * (16 * 1024 * 1024 + 1)), "bigger than 16 MiB", False),
    ],
)
async def test_docker_hubs_list_is_bounded_and_errors_are_told(
    hub: Hub, answer: Callable[[web.Request], Any], words: str, temporary: bool
) -> None:
    def first(request: web.Request) -> Any:
        return web.Response(status=404) if request.path.endswith("/5") else answer(request)

    with pytest.raises(RegistryError) as caught:
        await hub(first).repositories(None)
    assert words in str(caught.value) and caught.value.temporary is temporary


@pytest.mark.parametrize(("duration", "lists"), [("1h", 1), (-1, 2), ("500ms", 2)])
def test_lists_are_used_again_as_long_as_the_config_says(
    tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy, duration: object, lists: int
) -> None:
    fill(source, ["app1", "app2"])
    counting = make_proxy(source)
    config = write_config(
        tmp_path,
        task("t", location(counting.host), location(target), mapping("regex:app1"), mapping("regex:app2", "x")),
        lister={"cacheDuration": duration},
    )
    outcome = sync(config)
    assert outcome.counts("t") == (2, 0, 0)
    assert ("lists of repositories are not cached" in outcome.stderr) is (duration == -1)
    assert counting.count("GET", "_catalog") == lists


def test_nothing_that_matches_is_no_failure(tmp_path: Path, source: Registry, target: Registry) -> None:
    fill(source, ["app"])
    config = write_config(
        tmp_path,
        task("no-repository", location(source), location(target), mapping("regex:other.*")),
        task("no-tag", location(source), location(target), mapping("app", tags=["semver: >9.0.0", "regex: x"])),
    )
    outcome = sync(config)
    assert outcome.code == 0
    assert [outcome.counts(name) for name in ("no-repository", "no-tag")] == [(0, 0, 0)] * 2
    outcome = sync(config, "--run", "none-of-them")
    assert outcome.code == 1 and "no task to run" in outcome.stderr and "There are: " in outcome.stderr


EVIL = ["../../etc/passwd", "-oProxyCommand=x", "$(touch evil)", "a;touch evil", "a b", "a\nb", "\x1b[2Jx", "a?n=1#x"]
EVIL += ["a/../b", "/a", "a//b", "UPPER", "a%2Fb", "é", "", "x" * 300, "a:b", "a@sha256:" + "0" * 64]


def test_names_of_repositories_and_tags_do_no_harm(
    tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    fill(source, ["good/app"])

    async def lists(request: web.Request) -> web.StreamResponse | None:
        if request.path == "/v2/_catalog":
            return web.json_response({"repositories": [*EVIL, "good/app", None]})
        if request.path.endswith("/tags/list"):
            assert request.path == "/v2/good/app/tags/list", "nothing else is asked for"
            return web.json_response({"tags": [*(name for name in EVIL if name != "UPPER"), "1", None]})
        return None

    hostile = make_proxy(source, faults=Faults(hook=lists))
    config = write_config(
        tmp_path, task("t", location(hostile.host), location(target), mapping("regex:*", "m")), lister={"maxItems": -1}
    )
    outcome = sync(config, env={"LOG_FORMAT": "text"})
    assert (outcome.code, outcome.counts("t")) == (0, (1, 0, 0)), outcome.stdout
    assert target.tags("m/good/app") == ["1"]
    named = [name for name in EVIL if name]
    assert f"{len(named)} entries in the list of repositories are not valid names" in outcome.stderr
    assert "names in the list of tags are not valid tags" in outcome.stderr
    assert "\x1b" not in outcome.stderr + outcome.stdout
    assert not list(tmp_path.rglob("evil")) and not list(Path().glob("evil"))
