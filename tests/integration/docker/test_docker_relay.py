"""The Docker relay, by a real daemon and real registries."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.overview import Overview
from tests.conftest import MakeProxy, MakeRegistry
from tests.lab.cluster import Cluster
from tests.lab.daemon import Daemon, daemon_for_relays
from tests.lab.dregsy import auth, location, mapping, sync, task, write_config
from tests.lab.images import push_image, push_index, push_many
from tests.lab.odd.content import put_image
from tests.lab.odd.quirks import Tokens
from tests.lab.odd.registry import OddRegistry
from tests.lab.processes import wait_until
from tests.lab.proxy import Faults
from tests.lab.registry import Registry

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker"), pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_for_relays(tmp_path_factory.mktemp("docker")) as daemon:
        yield daemon


def config(folder: Path, daemon: Daemon, *tasks: dict[str, Any], **docker: Any) -> Path:
    return write_config(folder, *tasks, relay="docker", docker={"dockerhost": f"unix://{daemon.socket}", **docker})


def held(daemon: Daemon, repository: str) -> set[str]:
    """Tags of a repository that the daemon holds."""
    return set(daemon.run("images", "--format", "{{.Tag}}", repository).stdout.split())


def labels(target: Registry, repository: str, tag: str) -> dict[str, str]:
    """The labels in the config of an image: what tells one image of the lab from another."""
    manifest = target.manifest(repository, tag).json()
    url = f"{target.url}/v2/{repository}/blobs/{manifest['config']['digest']}"
    found: dict[str, str] = json.loads(target.session.get(url).content)["config"]["Labels"]
    return found


def test_pull_tag_push_and_then_nothing_to_do(
    daemon: Daemon, tmp_path: Path, source: Registry, target: Registry
) -> None:
    push_many(source, "lib/app", [f"1.{n}" for n in range(10)])
    path = config(tmp_path, daemon, task("t", location(source), location(target), mapping("lib/app", "mirror/app")))
    first = sync(path)
    assert (first.code, first.counts("t")) == (0, (10, 0, 0)), first.stderr
    for job in first.jobs("t"):
        tag = job["target"].rpartition(":")[2]
        assert job["digest"] == target.digest("mirror/app", tag)
        assert labels(target, "mirror/app", tag) == {"seed": f"lib/app:{tag}"}


def test_what_is_up_to_date_is_known_by_its_record(
    cluster: Cluster, daemon: Daemon, source: Registry, target: Registry
) -> None:
    push_many(source, "lib/app", ["1", "2"], size=2000)
    push_index(source, "lib/multi", "1", platforms=["linux/amd64", "linux/arm64"])
    path = config(
        cluster.folder,
        daemon,
        task(
            "t",
            location(source),
            location(target),
            mapping("lib/app"),
            mapping("lib/multi", platform="linux/arm64"),
            interval=3600,
        ),
    )
    cluster.worker(path, "w1")
    cluster.beat(path)
    run = cluster.wait_for("t", lambda counts: counts.done and counts.copied == 3).run
    assert labels(target, "lib/multi", "1")["seed"].endswith("linux/arm64")
    pushes = len([request for request in target.requests() if request.method == "PUT"])
    cluster.pass_time(3600)
    counts = cluster.wait_for("t", lambda counts: counts.run != run and counts.done, timeout=60)
    assert (counts.copied, counts.up_to_date) == (0, 3)
    assert len([request for request in target.requests() if request.method == "PUT"]) == pushes


def test_bytes_are_those_that_the_daemon_pushed(
    cluster: Cluster, daemon: Daemon, source: Registry, target: Registry
) -> None:
    push_image(source, "lib/bytes", "1", size=3_000_000, layers=2)
    push_image(source, "lib/tiny", "1", size=500)
    overview = Overview(connect(cluster.redis.url))
    path = config(
        cluster.folder,
        daemon,
        task("large", location(source), location(target), mapping("lib/bytes"), interval=3600),
        task("tiny", location(source), location(target), mapping("lib/tiny")),
    )
    cluster.worker(path, "w1")
    cluster.beat(path)
    for name in ("large", "tiny"):
        cluster.wait_for(name, lambda counts: counts.done)
    sent = overview.transferred_bytes()
    assert 3_000_000 <= sent["large"] < 3_200_000 and 500 <= sent["tiny"] < 20_000
    push_image(source, "lib/bytes", "2", size=3_000_000, layers=2, seed="lib/bytes:1")
    cluster.pass_time(3600)
    cluster.wait_for("large", lambda counts: counts.done and counts.copied, timeout=60)
    assert overview.transferred_bytes() == sent, "layers that the target has are not sent"


def test_only_the_jobs_own_tags_are_pushed(daemon: Daemon, tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/latest", ["1.0.0", "1.1.0", "1.2.0", "1.3.0"])
    daemon.run("pull", f"{source.host}/lib/latest:1.0.0")
    daemon.run("tag", f"{source.host}/lib/latest:1.0.0", f"{target.host}/mirror/latest:old")
    daemon.run("tag", f"{source.host}/lib/latest:1.0.0", f"{target.host}/mirror/latest:1.0.0")
    mapped = mapping("lib/latest", "mirror/latest", tags=["semver: >=1.0.0", "keep: latest 2"])
    path = config(tmp_path, daemon, task("t", location(source), location(target), mapped))
    assert sync(path).counts("t") == (2, 0, 0)
    assert sorted(target.tags("mirror/latest")) == ["1.2.0", "1.3.0"]


def test_tags_are_selected_as_for_skopeo(daemon: Daemon, tmp_path: Path, source: Registry, target: Registry) -> None:
    """dregsy takes `keep:` alone, and a filter that matches nothing, for no filter at all here."""
    push_many(source, "lib/selected", ["1.0.0", "1.1.0", "1.2.0"])
    kept = mapping("lib/selected", "kept", tags=["keep: latest 1"])
    none = mapping("lib/selected", "none", tags=["semver: >9.0.0"])
    outcome = sync(config(tmp_path, daemon, task("t", location(source), location(target), kept, none)))
    assert (outcome.code, outcome.counts("t")) == (0, (1, 0, 0))
    assert (target.tags("kept"), target.tags("none")) == (["1.2.0"], [])


@pytest.mark.parametrize(("version", "failed"), [("1.41", 0), ("9.99", 1)])
def test_the_configured_api_version_is_used(
    daemon: Daemon, tmp_path: Path, source: Registry, target: Registry, version: str, failed: int
) -> None:
    push_many(source, "lib/version", ["1"])
    path = config(
        tmp_path,
        daemon,
        task("t", location(source), location(target), mapping("lib/version")),
        **{"api-version": version},
    )
    outcome = sync(path, env={"DREGSY_MAX_ATTEMPTS": "1"})
    assert outcome.counts("t") == (1 - failed, 0, failed)
    assert not failed or "9.99 is too new" in outcome.jobs("t")[0]["error"]


@pytest.mark.parametrize("password", ["plain-word", 'pa%ss"w\\ord:?>~~~\u00ff'])
def test_any_password_signs_in(
    daemon: Daemon, tmp_path: Path, source: Registry, make_registry: MakeRegistry, password: str
) -> None:
    private = make_registry(users={"bob": password})
    push_many(source, "lib/login", ["1"])
    target = location(private, auth=auth("bob", password))
    outcome = sync(config(tmp_path, daemon, task("t", location(source), target, mapping("lib/login"))))
    assert outcome.counts("t") == (1, 0, 0), outcome.stdout


def test_an_identity_token_signs_in(daemon: Daemon, tmp_path: Path, target: Registry) -> None:
    """As `az acr login` leaves one on the worker's machine."""
    source = OddRegistry(Tokens(identity="refresh", key="access_token").both)
    try:
        put_image(source.store, "lib/app", "1")
        login = {"auth": base64.b64encode(b"0-0-0:").decode(), "identitytoken": "refresh"}
        (tmp_path / "config.json").write_text(json.dumps({"auths": {source.host: login}}))
        path = config(tmp_path, daemon, task("t", location(source.host), location(target), mapping("lib/app")))
        outcome = sync(path, env={"DOCKER_CONFIG": str(tmp_path)})
        assert outcome.counts("t") == (1, 0, 0), outcome.stderr
    finally:
        source.stop()


def test_digests_are_pushed_under_a_name(daemon: Daemon, tmp_path: Path, source: Registry, target: Registry) -> None:
    one, two = push_image(source, "lib/d", "1", size=3000), push_image(source, "lib/d", "2", size=3000)
    path = config(
        tmp_path, daemon, task("t", location(source), location(target), mapping("lib/d", tags=[one, f"named@{two}"]))
    )
    assert sync(path).counts("t") == (2, 0, 0)
    assert sorted(target.tags("lib/d")) == sorted([f"dregsy-{one.partition(':')[2]}", "named"])
    assert labels(target, "lib/d", "named") == {"seed": "lib/d:2"}


def test_images_are_kept_or_not(daemon: Daemon, tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/kept", ["1", "2"], size=4000)
    push_many(source, "lib/gone", [f"{n}" for n in range(12)], size=4000)
    daemon.run("pull", f"{source.host}/lib/gone:3")
    kept = task("kept", location(source), location(target), mapping("lib/kept"))
    assert sync(config(tmp_path, daemon, kept)).counts("kept") == (2, 0, 0)
    assert held(daemon, f"{target.host}/lib/kept") == {"1", "2"}
    gone = task("gone", location(source), location(target), mapping("lib/gone"), mapping("lib/gone", "twice"))
    outcome = sync(config(tmp_path, daemon, gone, **{"keep-images": False}))
    assert outcome.counts("gone") == (24, 0, 0), outcome.stdout
    assert held(daemon, f"{target.host}/lib/gone") == set() == held(daemon, f"{target.host}/twice")
    assert held(daemon, f"{source.host}/lib/gone") == {"3"}, "what was there before stays"


def test_failures_are_told(
    daemon: Daemon, tmp_path: Path, source: Registry, make_registry: MakeRegistry, target: Registry
) -> None:
    private = make_registry(users={"bob": "secret-word"})
    push_many(source, "lib/app", ["1"])
    login = location(private, auth=auth("bob", "secret-word"))
    good = task("good", location(source), login, mapping("lib/app", "private"))
    assert sync(config(tmp_path, daemon, good)).counts("good") == (1, 0, 0)
    assert private.digest("private", "1")
    absent = tmp_path / "no.sock"
    broken = write_config(tmp_path, good, relay="docker", docker={"dockerhost": f"unix://{absent}"})
    push_many(source, "lib/app", ["2"])
    outcome = sync(broken, env={"DREGSY_MAX_ATTEMPTS": "2", "DREGSY_DAEMON_WAIT": "5"})
    assert "waiting up to" in outcome.stderr
    assert outcome.code == 1 and outcome.counts("good")[2] >= 1
    errors = {job["error"] for job in outcome.jobs("good") if job["error"]}
    assert all("Docker daemon" in error and str(absent) in error and "\n" not in error for error in errors)
    assert "secret-word" not in outcome.stdout + outcome.stderr + json.dumps(outcome.report)


def test_too_many_requests_pause_the_registry(
    cluster: Cluster, daemon: Daemon, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(4)], size=5000)
    busy = Faults(answers=[("GET .*/manifests/", 429, b'{"errors":[{"code":"TOOMANYREQUESTS","message":"no"}]}')])
    hub = make_proxy(source, faults=busy)
    path = config(cluster.folder, daemon, task("t", location(hub.host), location(target), mapping("lib/app")))
    worker = cluster.worker(path, "w1", DREGSY_MAX_ATTEMPTS="1")
    cluster.beat(path)
    wait_until(lambda: any("registry is paused" in line["msg"] for line in worker.lines()), timeout=60)
    busy.answers.clear()
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=90)
    assert (counts.copied, counts.failed) == (4, 0)


def test_a_daemon_that_restarts_in_the_middle(
    cluster: Cluster, daemon: Daemon, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(30)], size=100_000)
    slow = make_proxy(source, faults=Faults(latency=0.2))
    path = config(cluster.folder, daemon, task("t", location(slow.host), location(target), mapping("lib/app", "re")))
    cluster.worker(path, "w1", "--concurrency", "4")
    cluster.beat(path)
    cluster.wait_for("t", lambda counts: counts.copied >= 4)
    daemon.stop()
    time.sleep(1)
    daemon.start()
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=120)
    assert (counts.copied, counts.failed) == (30, 0)


def test_each_relays_jobs_reach_only_workers_that_have_it(
    cluster: Cluster, daemon: Daemon, source: Registry, target: Registry
) -> None:
    push_many(source, "lib/app", [f"{n}" for n in range(20)])
    path = config(
        cluster.folder,
        daemon,
        task("by-daemon", location(source), location(target), mapping("lib/app", "by-daemon")),
        task("by-skopeo", location(source), location(target), mapping("lib/app", "by-skopeo"), relay="skopeo"),
    )
    only_skopeo = cluster.folder / "only-skopeo"
    only_skopeo.mkdir()
    other = yaml.safe_load(path.read_text())
    other["docker"]["dockerhost"] = "unix:///nowhere.sock"
    no_daemon = only_skopeo / "dregsy.yaml"
    no_daemon.write_text(yaml.safe_dump(other))
    skopeo = cluster.worker(no_daemon, "skopeo")
    docker = cluster.worker(path, "docker", PATH="/nowhere")
    cluster.beat(path)
    for name in ("by-daemon", "by-skopeo"):
        counts = cluster.wait_for(name, lambda counts: counts.done, timeout=90)
        assert (counts.copied, counts.failed) == (20, 0)

    def done_by(role: Any) -> set[str]:
        return {line["task"] for line in role.lines() if line["msg"].startswith("copied")}

    assert done_by(skopeo) == {"by-skopeo"} and done_by(docker) == {"by-daemon"}
    assert not [line for role in (skopeo, docker) for line in role.lines() if "any more" in line["msg"]]
