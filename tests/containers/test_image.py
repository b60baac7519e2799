"""The image: one for every role, not root, small, without secrets."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import MakeRegistry
from tests.lab.daemon import Daemon
from tests.lab.dregsy import auth, location, mapping, task, write_config
from tests.lab.images import push_many

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


def test_it_runs_read_only_and_without_any_right(daemon: Daemon, image: str) -> None:
    strict = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    assert daemon.run("run", "--rm", *strict, image, "id", "-u").stdout.strip() == "10001"
    assert "dregsy_queue" in daemon.run("run", "--rm", *strict, image, "dregsy", "--version").stdout
    assert "skopeo version 1.18" in daemon.run("run", "--rm", *strict, image, "skopeo", "--version").stdout


def test_without_a_config_it_says_so(daemon: Daemon, image: str) -> None:
    done = daemon.run("run", "--rm", "--network", "none", image, check=False)
    assert done.returncode == 1 and "/config.yaml" in done.stderr and "Traceback" not in done.stderr


def test_no_build_tools_and_no_extra_authority_are_left(daemon: Daemon, image: str) -> None:
    found = daemon.run("run", "--rm", "-u", "0", image, "sh", "-c", "which pip pip3 gcc make git; ls /src; true").stdout
    assert found.strip() == ""
    listed = daemon.run("run", "--rm", image, "sh", "-c", "ls /usr/local/share/ca-certificates").stdout
    assert "host.crt" not in listed
    details = json.loads(daemon.run("image", "inspect", image).stdout)[0]
    base = json.loads(daemon.run("image", "inspect", "debian:trixie-slim").stdout)[0]
    assert (details["Size"] - base["Size"]) / 2**20 < 300
