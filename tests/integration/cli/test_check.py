"""`dregsy check`: each thing that can be wrong is told by its own reason, and nothing is left at a target."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from tests.conftest import MakeProxy, MakeRegistry
from tests.lab.certificates import Authority
from tests.lab.dregsy import auth, dregsy, location, mapping, task, write_config
from tests.lab.images import push_image
from tests.lab.processes import free_port
from tests.lab.proxy import Faults
from tests.lab.registry import Registry


def _check(config: Path) -> tuple[int, dict[str, Any]]:
    done = dregsy("check", str(config), "--json")
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.code, found


def _reasons(found: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    """By registry and user: the reasons of what is not good."""
    return {
        (entry["registry"], entry["user"]): {c["reason"] for c in entry["checks"] if not c["ok"]}
        for entry in found["registries"]
    }


def test_a_good_config_passes(tmp_path: Path, source: Registry, make_registry: MakeRegistry) -> None:
    target = make_registry(users={"bob": "good password"})
    push_image(source, "team/web", "1.0")
    config = write_config(
        tmp_path,
        task(
            "good",
            location(source, lister={"type": "catalog"}),
            location(target, auth=auth("bob", "good password")),
            mapping("team/web", "mirror/web"),
            mapping("team/web", "named/web", tags=["1.0"]),
            mapping("regex:team/.*", "all"),
        ),
    )
    code, found = _check(config)
    assert (code, found["ok"]) == (0, True), found
    assert found["relays"] == [{"relay": "skopeo", "ok": True, "reason": "", "text": "", "advice": ""}]
    pushed = {c["repository"] for r in found["registries"] for c in r["checks"] if c["step"] == "push"}
    assert pushed == {"mirror/web", "named/web", "all/team/web"}
    opened = [r for r in target.requests() if r.method == "POST" and r.status == 202]
    cancelled = [r for r in target.requests() if r.method == "DELETE" and r.status == 204]
    assert len(opened) == len(cancelled) == 3
    assert target.session.get(f"{target.url}/v2/_catalog").json() == {"repositories": []}
    # With a cancelled upload this registry leaves the state of an empty hash, which no request can reach.
    left = [path for path in (target.folder / "data").rglob("*") if path.is_file()]
    assert {path.parts[-3:] for path in left} <= {("hashstates", "sha256", "0")}
    text = dregsy("check", str(config))
    assert text.code == 0 and "FAILED" not in text.stdout and "good password" not in text.stdout


def test_each_fault_has_its_own_reason(tmp_path: Path, make_registry: MakeRegistry, make_proxy: MakeProxy) -> None:
    source = make_registry()
    push_image(source, "web", "1.0")
    basic = make_registry(users={"bob": "right password"})
    bearer = make_proxy(source, users={"ann": "right password"}, anonymous=False)
    readonly = make_proxy(source, faults=Faults(answers=[(r"^POST .*/blobs/uploads/", 403, b"{}")]))
    refused = b'{"errors": [{"code": "DENIED", "message": "Your authorization token has expired. Reauthenticate."}]}'
    expiring = make_proxy(source, faults=Faults(answers=[("^GET /v2/$", 403, refused)]))
    secure = make_registry(tls=Authority(tmp_path / "ca").server())
    away = f"127.0.0.1:{free_port()}"
    payload = base64.urlsafe_b64encode(json.dumps({"exp": time.time() - 60}).encode()).decode().rstrip("=")
    good = location(source)

    def one(name: str, target: dict[str, Any], from_: str = "web", **more: Any) -> dict[str, Any]:
        return task(name, more.pop("source", good), target, mapping(from_, f"mirror/{name}", **more))

    config = write_config(
        tmp_path,
        one("wrong-basic", location(basic, auth=auth("bob", "wrong password"))),
        one("wrong-bearer", location(bearer.host, auth=auth("ann", "wrong password"))),
        one("ended-token", location(bearer.host, auth=auth("token", f"e30.{payload}.c2ln"))),
        one("expired", location(expiring.host, auth=auth("AWS", "some token"))),
        one("readonly", location(readonly.host)),
        one("ca", location(secure, skip_tls_verify=False)),
        one("away", location(away)),
        one("closed", location(basic, auth="none")),
        one("missing", location(source, auth=auth("any", "thing")), from_="no/such"),
        one("tagless", location(source, auth=auth("other", "thing")), tags=["7.7.7"]),
        skopeo={"binary": "/no/such/skopeo"},
    )
    code, found = _check(config)
    reasons = _reasons(found)
    assert code == 1
    assert reasons == {
        (source.host, ""): {"missing-repository", "missing-image"},
        (basic.host, "bob"): {"wrong-password"},
        (bearer.host, "ann"): {"wrong-password"},
        (bearer.host, "token"): {"expired-token"},
        (expiring.host, "AWS"): {"expired-token"},
        (readonly.host, ""): {"no-push-right"},
        (secure.host, ""): {"certificate"},
        (away, ""): {"unreachable"},
        (basic.host, ""): {"no-push-right"},
        (source.host, "any"): set(),
        (source.host, "other"): set(),
    }
    assert found["relays"][0]["reason"] == "no-skopeo" and "another `relay`" in found["relays"][0]["advice"]
    text = dregsy("check", str(config))
    assert text.code == 1
    assert max(map(len, text.stdout.splitlines())) <= 80
    for secret in ("wrong password", payload, "some token"):
        assert secret not in text.stdout + text.stderr


def test_a_docker_daemon_that_is_away(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_image(source, "web", "1.0")
    config = write_config(
        tmp_path,
        task("web", location(source), location(target), mapping("web", "mirror/web")),
        relay="docker",
        docker={"dockerhost": f"unix://{tmp_path}/none.sock"},
    )
    code, found = _check(config)
    assert (code, found["relays"][0]["reason"]) == (1, "no-docker")
    assert "`relay: direct`" in found["relays"][0]["advice"]
    assert all(registry["ok"] for registry in found["registries"])
