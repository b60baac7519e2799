"""Mappings by expression: repositories are listed, matched, and renamed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiohttp import web

from dregsy_queue.config.credentials import Credentials
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.listers.dockerhub import DockerHubLister
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


async def test_docker_hubs_own_list(source: Registry, make_proxy: MakeProxy) -> None:
    async def hub(request: web.Request) -> web.StreamResponse | None:
        if request.path == "/v2/users/login/":
            login = await request.json()
            if login != {"username": "bob", "password": "secret-word"}:
                return web.json_response({"detail": "no"}, status=401)
            return web.json_response({"token": "t"})
        assert request.headers["Authorization"] == "JWT t"
        page = int(request.query.get("page", 1))
        results = [{"namespace": "bob", "name": f"app{page}-{n}", "repository_type": "image"} for n in range(3)]
        results.append({"namespace": "bob", "name": "chart", "repository_type": "other"})
        following = f"http://{request.host}{request.path}?page={page + 1}" if page < 3 else None
        return web.json_response({"results": results, "next": following})

    stand_in = make_proxy(source, faults=Faults(hook=hub))
    base = f"http://{stand_in.host}"
    names = await DockerHubLister(Credentials("bob", "secret-word"), base).repositories(None)
    assert len(names) == 9 and names[0] == "bob/app1-0" and "bob/chart" not in names
    assert len(await DockerHubLister(Credentials("bob", "secret-word"), base).repositories(4)) == 4
    with pytest.raises(RegistryError, match="refused") as caught:
        await DockerHubLister(Credentials("bob", "wrong-word"), base).repositories(None)
    assert "word" not in str(caught.value)
    with pytest.raises(RegistryError, match="needs 'auth'"):
        await DockerHubLister(None, base).repositories(None)
