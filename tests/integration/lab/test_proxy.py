"""The proxy has Docker Hub's manners, does the faults it is told to, and counts right."""

from __future__ import annotations

import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.conftest import MakeProxy
from tests.integration.lab import skopeo
from tests.lab.gauge import TransferGauge
from tests.lab.images import KINDS, push_image, push_index
from tests.lab.processes import wait_until
from tests.lab.proxy import Faults, HubProxy, Quota
from tests.lab.registry import ACCEPT, Registry


def manifest(hub: HubProxy, method: str = "GET", tag: str = "1", **headers: str) -> requests.Response:
    url = f"http://{hub.host}/v2/lib/app/manifests/{tag}"
    return requests.request(method, url, headers={"Accept": ACCEPT, **headers}, timeout=20)


def layer(registry: Registry) -> str:
    """The path of the blob of an image's only layer."""
    digest = registry.manifest("lib/app", "1").json()["layers"][0]["digest"]
    return f"/v2/lib/app/blobs/{digest}"


def token(hub: HubProxy, auth: tuple[str, str] | None = None) -> requests.Response:
    return requests.get(f"http://{hub.host}/token", auth=auth, timeout=20)


def test_what_passes_is_unchanged_and_counted(source: Registry, make_proxy: MakeProxy) -> None:
    digest = push_image(source, "lib/app", "1")
    hub = make_proxy(source)
    direct, passed = source.manifest("lib/app", "1"), manifest(hub)
    assert passed.content == direct.content
    assert passed.headers["Docker-Content-Digest"] == digest
    assert manifest(hub, "HEAD").headers["Content-Length"] == str(len(direct.content))
    assert manifest(hub, tag="none").status_code == 404
    assert (hub.count("GET"), hub.count("HEAD"), hub.count("GET", "manifests", 404)) == (2, 1, 1)
    assert [(entry.method, entry.path, entry.status) for entry in hub.log] == [
        ("GET", "/v2/lib/app/manifests/1", 200),
        ("HEAD", "/v2/lib/app/manifests/1", 200),
        ("GET", "/v2/lib/app/manifests/none", 404),
    ]


@pytest.mark.parametrize("media", ["docker", "oci"])
def test_skopeo_copies_from_and_to_it(
    source: Registry, target: Registry, make_proxy: MakeProxy, tmp_path: Path, media: str
) -> None:
    index = push_index(source, "lib/app", "1", platforms=["linux/amd64", "linux/arm64"], size=300_000, media=media)
    near, far = make_proxy(source), make_proxy(target)
    done = skopeo.copy(tmp_path, f"{near.host}/lib/app:1", f"{far.host}/mirror/app:1", "--all", "--preserve-digests")
    assert done.returncode == 0, done.stderr
    assert target.digest("mirror/app", "1") == index.digest
    asked = [entry.accept for entry in near.log if entry.path.endswith("/manifests/1")]
    assert asked and set(KINDS[media].values()) & set(asked[0]), "header lines are not folded into one"
    assert len(asked[0]) > 1
    assert far.count("PUT", "/blobs/uploads/", 201) >= 2 and far.count("PUT", "/manifests/", 201) == 3
    assert 1 <= near.transfers.most <= 4 and far.transfers.most >= 1
    assert (near.transfers.now, far.transfers.now) == (0, 0)


def test_only_manifest_gets_cost_quota(source: Registry, make_proxy: MakeProxy) -> None:
    push_image(source, "lib/app", "1")
    hub = make_proxy(source, quota=Quota(2, 600))
    heads = [manifest(hub, "HEAD") for _ in range(5)]
    assert {head.headers["ratelimit-limit"] for head in heads} == {"2;w=600"}
    assert {head.headers["ratelimit-remaining"] for head in heads} == {"2;w=600"}
    assert requests.get(f"http://{hub.host}{layer(source)}", timeout=20).status_code == 200
    assert [manifest(hub).headers["ratelimit-remaining"] for _ in range(2)] == ["1;w=600", "0;w=600"]
    refused = manifest(hub)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (429, "TOOMANYREQUESTS")
    assert "Retry-After" not in refused.headers
    assert manifest(hub, "HEAD").status_code == 200


def test_quota_comes_back_when_the_window_has_passed(source: Registry, make_proxy: MakeProxy) -> None:
    push_image(source, "lib/app", "1")
    hub = make_proxy(source, quota=Quota(1, 1.5, retry_after=True, headers=False))
    first = manifest(hub)
    assert first.status_code == 200 and "ratelimit-limit" not in first.headers
    refused = manifest(hub)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) in (1, 2)
    wait_until(lambda: manifest(hub).status_code == 200, 10, "quota")


def test_tokens_are_wanted_expire_and_can_be_revoked(source: Registry, make_proxy: MakeProxy) -> None:
    push_image(source, "lib/app", "1")
    hub = make_proxy(source, users={"bob": "secret"}, anonymous=False, token_life=1.5)
    asked = manifest(hub)
    assert asked.status_code == 401
    assert asked.headers["WWW-Authenticate"] == f'Bearer realm="http://{hub.host}/token",service="lab"'
    assert token(hub).status_code == 401 and token(hub, ("bob", "wrong")).status_code == 401

    given = token(hub, ("bob", "secret")).json()
    bearer = {"Authorization": f"Bearer {given['token']}"}
    assert given["expires_in"] == 1.5 and manifest(hub, **bearer).status_code == 200
    wait_until(lambda: manifest(hub, **bearer).status_code == 401, 10, "expiry")

    bearer = {"Authorization": f"Bearer {token(hub, ('bob', 'secret')).json()['token']}"}
    assert manifest(hub, **bearer).status_code == 200
    hub.revoke_tokens()
    assert manifest(hub, **bearer).status_code == 401
    assert hub.tokens_given == 2
    assert {entry.authorization for entry in hub.log} == {"", "Basic", "Bearer"}
    assert "secret" not in str(hub.log) and given["token"] not in str(hub.log)


def test_skopeo_logs_in_with_tokens(source: Registry, make_proxy: MakeProxy, tmp_path: Path) -> None:
    digest = push_image(source, "lib/app", "1")
    hub = make_proxy(source, users={"bob": "secret"}, anonymous=False)
    assert skopeo.inspect(tmp_path, f"{hub.host}/lib/app:1", "--creds=bob:secret")["Digest"] == digest
    without = skopeo.run(tmp_path, "inspect", "--tls-verify=false", f"docker://{hub.host}/lib/app:1")
    assert without.returncode != 0
    open_hub = make_proxy(source, users={"bob": "secret"})
    assert skopeo.inspect(tmp_path, f"{open_hub.host}/lib/app:1")["Digest"] == digest
    assert open_hub.tokens_given >= 1


def test_unavailable_comes_as_often_as_told_and_the_same_for_a_seed(source: Registry, make_proxy: MakeProxy) -> None:
    push_image(source, "lib/app", "1")

    def statuses(probability: float, seed: int) -> list[int]:
        hub = make_proxy(source, faults=Faults(unavailable=probability), seed=seed)
        return [manifest(hub, "HEAD").status_code for _ in range(60)]

    first = statuses(0.3, 7)
    assert set(first) == {200, 503} and 8 <= first.count(503) <= 30
    assert statuses(0.3, 7) == first and statuses(0.3, 8) != first
    assert statuses(0, 7) == [200] * 60


def test_cut_bodies_end_half_way(source: Registry, make_proxy: MakeProxy) -> None:
    push_image(source, "lib/app", "1", size=400_000)
    hub = make_proxy(source, faults=Faults(cut=1.0))
    answer = requests.get(f"http://{hub.host}{layer(source)}", stream=True, timeout=20)
    length, got = int(answer.headers["Content-Length"]), bytearray()
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        for chunk in answer.iter_content(10_000):
            got += chunk
    assert 0 < len(got) <= length // 2
    assert manifest(hub).status_code == 200, "only blobs are cut"
    hub.faults.cut = 0.0
    assert len(requests.get(f"http://{hub.host}{layer(source)}", timeout=20).content) == length


def test_fixed_answers_latency_and_missing_headers(source: Registry, make_proxy: MakeProxy) -> None:
    push_image(source, "lib/app", "1")
    faults = Faults(answers=[(r"^HEAD .*/manifests/1$", 418, b"")], without_headers=("docker-content-digest",))
    hub = make_proxy(source, faults=faults)
    assert (manifest(hub, "HEAD").status_code, manifest(hub).status_code) == (418, 200)
    assert "Docker-Content-Digest" not in manifest(hub).headers
    faults.latency = 0.3
    began = time.monotonic()
    manifest(hub)
    assert time.monotonic() - began >= 0.3


def test_connections_are_refused_for_a_while(source: Registry, make_proxy: MakeProxy) -> None:
    push_image(source, "lib/app", "1")
    hub = make_proxy(source)

    def answers() -> bool:
        try:
            return manifest(hub, "HEAD").status_code == 200
        except requests.exceptions.ConnectionError:
            return False

    for _ in range(5):
        assert answers()
        hub.refuse(0.5)
        assert not answers()
        wait_until(answers, 10, "return")


def test_a_connection_accepted_just_before_a_refusal_is_answered(source: Registry, make_proxy: MakeProxy) -> None:
    hub = make_proxy(source)
    # While the proxy's loop is held up, a connection and a refusal arrive: it meets both in the same round.
    hub._loop.hold_up(0.3)
    assert hub._listening
    with socket.create_connection(("127.0.0.1", hub.port), timeout=5) as client:
        # The kernel may tell the client a moment before it tells the listener.
        select.select([hub._listening[1]], [], [], 5)
        hub.refuse(30)
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: lab\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_transfers_at_once_are_counted_at_their_most(source: Registry, make_proxy: MakeProxy) -> None:
    push_image(source, "lib/app", "1")
    hub, path = make_proxy(source, faults=Faults(latency=0.5)), layer(source)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            pool.submit(requests.get, f"http://{hub.host}{path}", timeout=20)
        for _ in range(3):
            pool.submit(manifest, hub)
    # a client has its answer a moment before the proxy counts its end
    wait_until(lambda: hub.transfers.now == 0, timeout=10, what="the end of all transfers")
    assert hub.transfers.most == 5, "manifests are no transfers"


def test_an_upload_counts_from_its_opening_to_its_end(source: Registry, make_proxy: MakeProxy) -> None:
    hub = make_proxy(source)
    opened = [requests.post(f"http://{hub.host}/v2/lib/app/blobs/uploads/", timeout=20) for _ in range(2)]
    assert (hub.transfers.now, hub.transfers.most) == (2, 2)
    places = [f"http://{hub.host}{answer.headers['Location']}" for answer in opened]
    assert requests.delete(places[0], timeout=20).status_code == 204
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert requests.put(f"{places[1]}&digest={empty}", timeout=20).status_code == 201
    assert (hub.transfers.now, hub.transfers.most) == (0, 2)


def test_the_gauge_tells_blobs_from_the_rest() -> None:
    gauge = TransferGauge()
    blob = "/v2/a/b/blobs/sha256:" + "0" * 64
    assert not gauge.asked("HEAD", blob) and not gauge.asked("GET", "/v2/a/manifests/sha256:00")
    assert gauge.asked("GET", blob) and gauge.now == 1
    gauge.finished()
    gauge.answered("POST", "/v2/a/blobs/uploads/", 201, blob)
    assert (gauge.now, gauge.most) == (0, 1), "a mounted blob is no upload"
