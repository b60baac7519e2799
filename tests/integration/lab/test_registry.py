"""The laboratory's registries keep, refuse and log as configured."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.conftest import MakeRegistry
from tests.integration.lab import skopeo
from tests.lab.certificates import Authority
from tests.lab.images import push_image, push_many
from tests.lab.registry import LoggedRequest, Registry


def test_it_keeps_images_over_a_restart(source: Registry) -> None:
    digest = push_image(source, "lib/app", "1")
    host = source.host
    source.restart()
    assert (source.host, source.digest("lib/app", "1")) == (host, digest)


def test_a_deleted_tag_is_gone(source: Registry) -> None:
    push_image(source, "lib/app", "1")
    kept = push_image(source, "lib/app", "2")
    source.delete("lib/app", "1")
    assert (source.digest("lib/app", "1"), source.digest("lib/app", "2")) == (None, kept)
    assert source.tags("no/such") == []


def test_users_need_their_password(make_registry: MakeRegistry, tmp_path: Path) -> None:
    registry = make_registry(users={"bob": "secret", "eve": "other"})
    digest = push_image(registry, "lib/app", "1")
    assert registry.digest("lib/app", "1") == digest
    assert requests.get(f"{registry.url}/v2/").status_code == 401
    assert requests.get(f"{registry.url}/v2/", auth=("bob", "wrong")).status_code == 401
    assert requests.get(f"{registry.url}/v2/", auth=("eve", "other")).status_code == 200
    refused = skopeo.run(tmp_path, "inspect", "--tls-verify=false", f"docker://{registry.host}/lib/app:1")
    assert refused.returncode != 0 and "authentication required" in refused.stderr
    assert skopeo.inspect(tmp_path, f"{registry.host}/lib/app:1", "--creds=bob:secret")["Digest"] == digest
    assert "secret" not in (registry.folder / "htpasswd").read_text()


def test_tls_is_trusted_by_its_authority_alone(make_registry: MakeRegistry, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "stranger")
    registry = make_registry(tls=authority.server())
    assert registry.url.startswith("https://")
    digest = push_image(registry, "lib/app", "1")
    for name in ("127.0.0.1", "localhost"):
        url = f"https://{name}:{registry.port}/v2/"
        assert requests.get(url, verify=str(authority.certificate)).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(url, verify=str(stranger.certificate))
    assert requests.get(f"http://{registry.host}/v2/").status_code == 400

    certificates = tmp_path / "certs"
    certificates.mkdir()
    reference = f"docker://{registry.host}/lib/app:1"
    assert skopeo.run(tmp_path, "inspect", f"--cert-dir={certificates}", reference).returncode != 0
    (certificates / "ca.crt").write_bytes(authority.certificate.read_bytes())
    trusted = skopeo.run(tmp_path, "inspect", f"--cert-dir={certificates}", reference)
    assert trusted.returncode == 0 and digest in trusted.stdout, trusted.stderr


def test_client_certificates_are_wanted_where_configured(make_registry: MakeRegistry, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    server, client = authority.server(), authority.client()
    registry = make_registry(tls=server, client_ca=authority.certificate, client=client)
    digest = push_image(registry, "lib/app", "1")
    assert registry.digest("lib/app", "1") == digest
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(f"{registry.url}/v2/", verify=str(authority.certificate))
    stranger = Authority(tmp_path / "stranger").client()
    with pytest.raises(requests.exceptions.ConnectionError):
        pair = (str(stranger.certificate), str(stranger.key))
        requests.get(f"{registry.url}/v2/", verify=str(authority.certificate), cert=pair)


def test_the_log_tells_others_from_the_laboratory(source: Registry) -> None:
    push_many(source, "lib/app", ["1", "2"])
    assert source.requests() == [] and source.requests(lab=True)
    agent = {"User-Agent": "somebody/1.0 (test)"}
    requests.head(f"{source.url}/v2/lib/app/manifests/none", headers=agent)
    requests.get(f"{source.url}/v2/lib/app/tags/list?n=1", headers=agent)
    assert source.requests() == [
        LoggedRequest("HEAD", "/v2/lib/app/manifests/none", 404, "somebody/1.0 (test)"),
        LoggedRequest("GET", "/v2/lib/app/tags/list?n=1", 200, "somebody/1.0 (test)"),
    ]


def test_two_at_once_do_not_meet(source: Registry, target: Registry) -> None:
    push_image(source, "lib/app", "1")
    assert source.port != target.port
    assert target.digest("lib/app", "1") is None
