"""A converted config copies what the other tool copies, by digests: configs such as their documentations show."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import MakeRegistry
from tests.lab.dregsy import dregsy, sync
from tests.lab.images import push_image, push_index, push_many
from tests.lab.peers import regsync
from tests.lab.registry import Registry

USERS = {"john": "this is a secret"}


def _content(registry: Registry) -> dict[str, str | None]:
    """All tags of all repositories, with the digests that they name."""
    names = registry.session.get(f"{registry.url}/v2/_catalog").json()["repositories"]
    return {f"{name}:{tag}": registry.digest(name, tag) for name in names for tag in registry.tags(name)}


def _convert(path: Path, *options: str) -> tuple[dict[str, Any], str]:
    """The converted config, and the notes."""
    done = dregsy("convert", str(path), *options)
    assert done.code == 0, done.stderr
    return yaml.safe_load(done.stdout), done.stderr


def _sync(tmp_path: Path, config: dict[str, Any]) -> None:
    path = tmp_path / "dregsy.yaml"
    path.write_text(yaml.safe_dump(config))
    done = sync(path)
    assert done.code == 0, done.stdout + done.stderr


def test_skopeo_sync(tmp_path: Path, make_registry: MakeRegistry) -> None:
    """Two registries, one with a login; all tags, some, one by digest, some by expression, some by version."""
    source, other, theirs, ours = make_registry(users=USERS), make_registry(), make_registry(), make_registry()
    push_many(source, "busybox", ["1.0", "latest"])
    push_many(source, "redis", ["1.0", "2.0", "3.0"])
    untagged = push_image(source, "redis", "later")
    push_many(source, "nginx", ["1.13.1-alpine-perl", "1.13.2-alpine-perl", "1.13.3-alpine-perl", "1.13.1"])
    push_many(source, "web", ["13-alpine", "13-alpine-perl", "14"])
    push_many(source, "alpine", ["3.11.9", "3.12.0", "3.14.1", "3.15.0-rc1", "edge"])
    push_many(other, "coreos/etcd", ["latest", "old"])
    push_index(other, "multi", "all", platforms=["linux/amd64", "linux/arm64"])
    images = {
        source.host: {
            "images": {"busybox": [], "redis": ["1.0", "2.0", untagged]},
            "images-by-tag-regex": {"nginx": r"^1\.13\.[12]-alpine-perl$", "web": "-alpine$"},
            "images-by-semver": {"alpine": ">= 3.12.0"},
            "credentials": {"username": "john", "password": USERS["john"]},
            "tls-verify": False,
        },
        other.host: {"tls-verify": False, "images": {"coreos/etcd": ["latest"], "multi": []}},
    }
    if not _takes_versions():
        del images[source.host]["images-by-semver"]
    path = tmp_path / "sync.yml"
    path.write_text(yaml.safe_dump(images))
    copy = ["skopeo", "sync", "--src", "yaml", "--dest", "docker", "--dest-tls-verify=false", str(path)]
    done = subprocess.run([*copy, f"{theirs.host}/repo"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    config, notes = _convert(path, "--to", f"{ours.host}/repo")
    assert "skip-tls-verify" in notes
    for task in config["tasks"]:
        task["target"]["skip-tls-verify"] = True  # as the note says
    _sync(tmp_path, config)
    wanted = _content(theirs)
    assert {"repo/etcd:latest", "repo/multi:all", "repo/nginx:1.13.2-alpine-perl", "repo/web:13-alpine"} <= set(wanted)
    assert "repo/web:14" not in wanted and "repo/nginx:1.13.1" not in wanted
    assert _content(ours) == wanted
    assert [registry.digest("repo/redis", untagged) for registry in (theirs, ours)] == [untagged, untagged]


def _takes_versions() -> bool:
    """``images-by-semver`` came with skopeo 1.14."""
    told = subprocess.run(["skopeo", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.split()[2].split("-")[0].split(".")[:2]) >= (1, 14)


def test_regsync(tmp_path: Path, make_registry: MakeRegistry) -> None:
    """An image, a repository by expressions, a whole registry; one platform of an index, an image by digest, sets of
    filters; a login, limits, intervals, a time of day, backups."""
    program = regsync()
    if program is None:
        pytest.skip("there is no regsync, and no Go to make it")
    hub, local, theirs, ours = make_registry(), make_registry(users=USERS), make_registry(), make_registry()
    push_many(hub, "library/busybox", ["latest", "1.36"])
    push_many(hub, "library/alpine", ["latest", "edge", "3", "3.0", "3.14", "3.15", "4", "2.7"])
    fixed = push_image(hub, "library/debian", "stable")
    push_index(local, "team/multi", "1", platforms=["linux/amd64", "linux/arm64"])
    push_index(local, "team/multi", "2", platforms=["linux/amd64", "linux/arm64"])
    push_many(local, "team/app", ["v1.0.0", "v1.1.0", "v2.0.0", "nightly"])
    push_many(local, "other", ["1"])

    def config(target: Registry) -> dict[str, Any]:
        return {
            "version": 1,
            "creds": [
                {"registry": "mirror.example.com", "hostname": target.host, "tls": "disabled"},
                {"registry": "docker.io", "hostname": hub.host, "tls": "disabled",
                 "user": '{{env "NO_SUCH_USER"}}', "pass": '{{env "NO_SUCH_PASSWORD"}}'},
                {"registry": "local.example.com", "hostname": local.host, "tls": "disabled", "user": "john",
                 "pass": USERS["john"], "reqPerSec": 100},
            ],
            "defaults": {"ratelimit": {"min": 100, "retry": "15m"}, "parallel": 2},
            "sync": [
                {"source": "busybox:latest", "target": "mirror.example.com/library/busybox:latest", "type": "image",
                 "interval": "60m", "backup": "backup-{{.Ref.Tag}}"},
                {"source": "alpine", "target": "mirror.example.com/library/alpine", "type": "repository",
                 "tags": {"allow": ["latest", "edge", "3", r"3.\d+"], "deny": ["3.0"]}, "schedule": "15 01 * * *"},
                {"source": "local.example.com", "target": "mirror.example.com/all", "type": "registry"},
                {"source": "local.example.com", "target": "mirror.example.com/part", "type": "registry",
                 "repos": {"allow": ["team/.*"]}, "tags": {"deny": ["nightly"]}},
                {"source": f"debian:stable@{fixed}", "target": "mirror.example.com/debian:stable", "type": "image"},
                {"source": "local.example.com/team/multi", "target": "mirror.example.com/arm", "type": "repository",
                 "platform": "linux/arm64"},
                {"source": "local.example.com/team/app", "target": "mirror.example.com/sets", "type": "repository",
                 "tagSets": [{"allow": ["nightly"]}, {"semverRange": ["^1.0.0"]}]},
            ],
        }  # fmt: skip

    path = tmp_path / "regsync.yml"
    path.write_text(yaml.safe_dump(config(theirs)))
    done = subprocess.run([str(program), "-c", str(path), "once"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    path.write_text(yaml.safe_dump(config(ours)))
    converted, notes = _convert(path)
    _sync(tmp_path, converted)
    wanted = _content(theirs)
    assert {"library/busybox:latest", "library/alpine:3.14", "all/other:1", "part/team/app:v2.0.0", "debian:stable",
            "arm:2", "sets:nightly", "sets:v1.1.0"} <= set(wanted)  # fmt: skip
    assert not {"library/alpine:3.0", "part/team/app:nightly", "part/other:1", "sets:v2.0.0"} & set(wanted)
    assert _content(ours) == wanted
    for left_out in ("'backup' is left out", "'schedule' is left out", "creds of docker.io: the login comes from a"):
        assert left_out in notes


def test_what_is_neither(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("tasks: []\n")
    done = dregsy("convert", str(path))
    assert (done.code, done.stdout) == (1, "") and "neither" in done.stderr
