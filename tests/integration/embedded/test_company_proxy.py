"""Behind a company's proxy: HTTPS_PROXY and NO_PROXY count for our own requests and for skopeo's alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import MakeRegistry
from tests.lab.certificates import Authority
from tests.lab.dregsy import auth, mapping, sync, task, write_config
from tests.lab.forward_proxy import ForwardProxy
from tests.lab.images import push_many

#: Known to the proxy alone.
INSIDE = "registry.inside.test"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path / "ca")
    for host in (INSIDE, "127.0.0.1"):
        folder = tmp_path / "certs.d" / host
        folder.mkdir(parents=True)
        shutil.copy(authority.certificate, folder / "ca.crt")
    return authority


def test_https_goes_by_the_proxy(tmp_path: Path, authority: Authority, make_registry: MakeRegistry) -> None:
    source = make_registry(tls=authority.server(INSIDE), users={"bob": "secret-word"})
    target = make_registry(tls=authority.server())
    digests = push_many(source, "lib/app", ["1", "2", "3"])
    behind = {"registry": f"{INSIDE}:5443", "auth": auth("bob", "secret-word")}
    config = write_config(
        tmp_path,
        task("t", behind, {"registry": target.host}, mapping("lib/app")),
        skopeo={"certs-dir": str(tmp_path / "certs.d")},
    )
    with ForwardProxy({f"{INSIDE}:5443": source.port}) as proxy:
        outcome = sync(config, env={"HTTPS_PROXY": proxy.url, "NO_PROXY": "127.0.0.1"})
        assert (outcome.code, outcome.counts("t")) == (0, (3, 0, 0)), outcome.stdout
        # one connection of ours, and at least one per skopeo; what NO_PROXY names went past it
        assert len(proxy.asked) >= 4 and set(proxy.asked) == {f"{INSIDE}:5443"}
    assert {tag: target.digest("lib/app", tag) for tag in digests} == digests


def test_no_proxy_keeps_a_host_off_the_proxy(tmp_path: Path, authority: Authority, make_registry: MakeRegistry) -> None:
    target = make_registry(tls=authority.server())
    task_inside = task("t", {"registry": f"{INSIDE}:5443"}, {"registry": target.host}, mapping("lib/app"))
    config = write_config(tmp_path, task_inside, skopeo={"certs-dir": str(tmp_path / "certs.d")})
    with ForwardProxy({}) as proxy:
        env = {"HTTPS_PROXY": proxy.url, "NO_PROXY": f"127.0.0.1,{INSIDE}", "DREGSY_MAX_ATTEMPTS": "1"}
        outcome = sync(config, env=env)
        assert outcome.code == 1 and INSIDE in outcome.jobs("t")[0]["error"]
        assert proxy.asked == []
