"""TLS end to end: private authorities and client certificates, for skopeo and for our own requests alike."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conftest import MakeRegistry
from tests.lab.certificates import Authority
from tests.lab.dregsy import auth, mapping, sync, task, write_config
from tests.lab.images import push_many


def test_private_authority_and_mutual_tls(tmp_path: Path, make_registry: MakeRegistry) -> None:
    authority = Authority(tmp_path / "ca")
    client = authority.client()
    mutual = make_registry(tls=authority.server(), client_ca=authority.certificate, client=client)
    secure = make_registry(tls=authority.server(), users={"bob": "secret-word"})
    digests = push_many(mutual, "lib/app", ["1", "2", "3"])
    source, target = {"registry": mutual.host}, {"registry": secure.host, "auth": auth("bob", "secret-word")}
    certs = tmp_path / "certs.d"

    untrusted = sync(write_config(tmp_path, task("t", source, target, mapping("lib/app")), skopeo={"certs-dir": "/no"}))
    assert untrusted.code == 1 and "is not trusted" in untrusted.jobs("t")[0]["error"]

    folder = certs / "127.0.0.1"
    folder.mkdir(parents=True)
    shutil.copy(authority.certificate, folder / "ca.crt")
    shutil.copy(client.certificate, folder / "me.cert")
    shutil.copy(client.key, folder / "me.key")
    config = write_config(tmp_path, task("t", source, target, mapping("lib/app")), skopeo={"certs-dir": str(certs)})
    outcome = sync(config)
    assert (outcome.code, outcome.counts("t")) == (0, (3, 0, 0)), outcome.stdout
    assert {tag: secure.digest("lib/app", tag) for tag in digests} == digests


def test_unverified_https(tmp_path: Path, make_registry: MakeRegistry) -> None:
    authority = Authority(tmp_path / "ca")
    source, target = make_registry(tls=authority.server()), make_registry(tls=authority.server())
    push_many(source, "lib/app", ["1"])
    sides = [{"registry": registry.host, "skip-tls-verify": True} for registry in (source, target)]
    outcome = sync(write_config(tmp_path, task("t", *sides, mapping("lib/app"))))
    assert (outcome.code, outcome.counts("t")) == (0, (1, 0, 0)), outcome.stdout
