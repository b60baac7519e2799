"""The image: one for every role, not root, small, without secrets."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import MakeRegistry
from tests.containers.conftest import MARKS
from tests.lab.daemon import Daemon
from tests.lab.dregsy import auth, location, mapping, task, write_config
from tests.lab.images import push_many

pytestmark = MARKS

PASSWORD = "word-Zq81"


def test_dregsys_own_call(daemon: Daemon, image: str, tmp_path: Path, make_registry: MakeRegistry) -> None:
    source, target = make_registry(users={"bob": PASSWORD}), make_registry()
    digests = push_many(source, "lib/app", ["1", "2", "3"])
    config = write_config(
        tmp_path,
        task("t", location(source, auth=auth("bob", PASSWORD)), location(target), mapping("lib/app", "mirror/app")),
    )
    config.chmod(0o644)
    name = "one-shot"
    done = daemon.run("run", "--name", name, "--network", "host", "-v", f"{config}:/config.yaml:ro", image, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {tag: target.digest("mirror/app", tag) for tag in digests} == digests
    seen = daemon.run("inspect", name).stdout + daemon.run("history", "--no-trunc", image).stdout
    assert PASSWORD not in seen and auth("bob", PASSWORD) not in seen
    assert PASSWORD not in daemon.run("logs", name).stdout + daemon.run("logs", name).stderr
    daemon.run("rm", name)


def test_dregsys_own_call_with_the_docker_relay(
    daemon: Daemon, image: str, tmp_path: Path, make_registry: MakeRegistry
) -> None:
    source, target = make_registry(), make_registry(users={"bob": PASSWORD})
    push_many(source, "lib/app", ["1", "2", "3"], size=3000)
    login = location(target, auth=auth("bob", PASSWORD))
    config = write_config(
        tmp_path, task("t", location(source), login, mapping("lib/app", "mirror/app")), relay="docker"
    )
    config.chmod(0o644)
    call = ["--network", "host", "-v", f"{config}:/config.yaml:ro", "-v", f"{daemon.socket}:/var/run/docker.sock"]
    once = ["-e", "DREGSY_MAX_ATTEMPTS=1", "-e", "DREGSY_DAEMON_WAIT=2"]
    refused = daemon.run("run", "--rm", *call, *once, image, check=False)
    assert refused.returncode == 1
    assert "this user may not use its socket" in refused.stderr and "Traceback" not in refused.stderr
    group = str(daemon.socket.stat().st_gid)
    done = daemon.run("run", "--name", "relay", *call, "--group-add", group, image, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(target.tags("mirror/app")) == ["1", "2", "3"]
    held = daemon.run("images", "--format", "{{.Tag}}", f"{target.host}/mirror/app").stdout.split()
    assert sorted(held) == ["1", "2", "3"], "it was this daemon that did it"
    seen = [daemon.run(*look) for look in (["inspect", "relay"], ["logs", "relay"], ["history", "--no-trunc", image])]
    for look in seen:
        assert PASSWORD not in look.stdout + look.stderr and login["auth"] not in look.stdout + look.stderr
    daemon.run("rm", "relay")


def test_it_runs_read_only_and_without_any_right(daemon: Daemon, image: str) -> None:
    strict = [
        "--network",
        "none",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
    ]
    assert daemon.run("run", "--rm", *strict, image, "id", "-u").stdout.strip() == "10001"
    assert "dregsy " in daemon.run("run", "--rm", *strict, image, "dregsy", "--version").stdout
    assert "skopeo version 1.18" in daemon.run("run", "--rm", *strict, image, "skopeo", "--version").stdout


def test_without_a_config_it_says_so(daemon: Daemon, image: str) -> None:
    done = daemon.run("run", "--rm", "--network", "none", image, check=False)
    assert done.returncode == 1 and "/config.yaml" in done.stderr and "Traceback" not in done.stderr


def test_no_build_tools_and_no_extra_authority_are_left(daemon: Daemon, image: str) -> None:
    call = ["run", "--rm", "--network", "none", "-u", "0", image, "sh", "-c"]
    found = daemon.run(*call, "which pip pip3 gcc make git; ls /src; true").stdout
    assert found.strip() == ""
    listed = daemon.run(*call, "ls /usr/local/share/ca-certificates").stdout
    assert "host.crt" not in listed
    details = json.loads(daemon.run("image", "inspect", image).stdout)[0]
    base = json.loads(daemon.run("image", "inspect", "debian:trixie-slim").stdout)[0]
    print(f"image: {details['Size'] / 2**20:.0f} MiB on a base of {base['Size'] / 2**20:.0f} MiB")
    assert (details["Size"] - base["Size"]) / 2**20 < 300
