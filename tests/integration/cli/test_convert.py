"""A converted config copies what the other tool copies, by digests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from tests.conftest import MakeRegistry
from tests.lab.dregsy import dregsy, sync
from tests.lab.images import push_index, push_many
from tests.lab.registry import Registry


def _content(registry: Registry, *repositories: str) -> dict[str, str | None]:
    return {f"{name}:{tag}": registry.digest(name, tag) for name in repositories for tag in registry.tags(name)}


def test_skopeo_sync(tmp_path: Path, source: Registry, make_registry: MakeRegistry) -> None:
    theirs, ours = make_registry(), make_registry()
    push_many(source, "team/web", ["1.0", "1.1", "edge"])
    push_many(source, "nginx", ["1.13.1-alpine", "1.13.1", "1.14.1-alpine"])
    push_index(source, "multi", "all", platforms=["linux/amd64", "linux/arm64"])
    images = {
        source.host: {
            "tls-verify": False,
            "images": {"team/web": ["1.0", "edge"], "multi": []},
            "images-by-tag-regex": {"nginx": r"13.*-alpine$"},
        }
    }
    path = tmp_path / "images.yaml"
    path.write_text(yaml.safe_dump(images))
    copy = ["skopeo", "sync", "--src", "yaml", "--dest", "docker", "--dest-tls-verify=false", str(path)]
    subprocess.run([*copy, f"{theirs.host}/mirror"], check=True, capture_output=True)

    done = dregsy("convert", str(path), "--to", f"{ours.host}/mirror")
    assert done.code == 0, done.stderr
    converted = yaml.safe_load(done.stdout)
    for task in converted["tasks"]:
        task["target"]["skip-tls-verify"] = True  # as the note says
    assert "skip-tls-verify" in done.stderr
    config = tmp_path / "dregsy.yaml"
    config.write_text(yaml.safe_dump(converted))
    assert sync(config).code == 0
    wanted = _content(theirs, "mirror/web", "mirror/multi", "mirror/nginx")
    assert sorted(wanted) == ["mirror/multi:all", "mirror/nginx:1.13.1-alpine", "mirror/web:1.0", "mirror/web:edge"]
    assert _content(ours, "mirror/web", "mirror/multi", "mirror/nginx") == wanted


def test_what_is_neither(tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text("tasks: []\n")
    done = dregsy("convert", str(path))
    assert (done.code, done.stdout) == (1, "") and "neither" in done.stderr
