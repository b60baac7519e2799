"""Other tools' configs become ours, or a note says what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from dregsy_queue.cli.group import group
from dregsy_queue.config.convert import constraints, regsync, skopeo_sync
from dregsy_queue.config.convert.given import Given
from dregsy_queue.config.load import load
from dregsy_queue.matching.semver import Version, parse_range


@pytest.mark.parametrize(
    ("constraint", "inside", "outside"),
    [
        (">= 3.12.0", "3.12.0 4.0.0", "3.11.9"),
        (">=3.12, <3.14", "3.12.0 3.13.9", "3.14.0 3.11.0"),
        ("^1.2.3", "1.2.3 1.9.0", "2.0.0 1.2.2"),
        ("^0.2", "0.2.0 0.2.9", "0.3.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
        ("~1", "1.0.0 1.9.0", "2.0.0"),
        ("1.2 - 1.4.5", "1.2.0 1.4.5", "1.4.6 1.1.9"),
        ("1.2 - 1.4", "1.4.9", "1.5.0"),
        ("1.2.x || 2.0.0", "1.2.7 2.0.0", "1.3.0 2.0.1"),
        ("> 11", "12.0.0", "11.9.9"),
        ("<= 11", "11.9.9", "12.0.0"),
        ("!=1.2.3", "1.2.4", "1.2.3"),
        ("*", "0.0.1 9.9.9", ""),
        ("v1.2.3", "1.2.3", "1.2.4"),
    ],
)
def test_version_constraints(constraint: str, inside: str, outside: str) -> None:
    found = parse_range(constraints.as_range(constraint))
    assert all(found.matches(Version.parse(version)) for version in inside.split())
    assert not any(found.matches(Version.parse(version)) for version in outside.split())


@pytest.mark.parametrize("constraint", ["", "latest", ">=", "!=1.2", ">=1.2.3 and more"])
def test_what_is_no_constraint(constraint: str) -> None:
    with pytest.raises(ValueError, match="constraint"):
        constraints.as_range(constraint)


_REGSYNC = """
version: 1
creds:
  - {registry: "localhost:5000", tls: disabled}
  - {registry: docker.io, user: '{{env "USER"}}', pass: '{{file "/run/secret"}}', reqPerSec: 5}
  - {registry: quay.io, user: ann, pass: a password, mirrors: [mirror.example.com]}
defaults: {ratelimit: {min: 50, retry: 15m}, parallel: 2, interval: 90m, backup: "old-{{.Ref.Tag}}"}
sync:
  - {source: "busybox:1.36", target: "localhost:5000/lib/busybox:1.36", type: image}
  - source: quay.io/team/web
    target: localhost:5000/team/web
    type: repository
    interval: 10s
    platform: linux/arm64
    tags: {allow: ['v1\\..*', latest], deny: ['.*-rc.*']}
    referrers: true
    referrerFilters: [{artifactType: "example/sbom"}]
  - {source: quay.io, target: localhost:5000/all, type: registry, repos: {allow: ["team/.*"]}, schedule: "0 3 * * *"}
  - {source: quay.io, target: localhost:5000/most, type: registry, repos: {deny: [private/.*]}}
  - {source: "alpine:3", target: "localhost:5000/alpine:stable", type: image}
  - {source: ocidir://here, target: "localhost:5000/here", type: repository}
"""


def test_regsync(tmp_path: Path) -> None:
    draft = regsync.convert(Given.parse(_REGSYNC))
    path = tmp_path / "dregsy.yaml"
    path.write_text(draft.text())
    config = load(path).config
    plain, periodic, once = config.tasks
    assert (plain.source.host, plain.target.host, plain.interval) == ("docker.io", "localhost:5000", 5400)
    assert [(m.from_, m.to, m.tags, m.platform) for m in plain.mappings] == [
        ("library/busybox", "lib/busybox", ["1.36"], "all")
    ]
    assert plain.target.skip_tls_verify and not plain.source.skip_tls_verify and plain.source.auth is None
    assert periodic.interval == 30
    assert periodic.source.credentials and periodic.source.credentials.password == "a password"
    assert periodic.mappings[0].tags == ["regex: v1\\..*", "regex: latest", "keep: !.*-rc.*"]
    assert periodic.mappings[0].platform == "linux/arm64" and periodic.mappings[0].referrers
    assert config.relay == "direct" and not plain.mappings[0].referrers
    assert (once.interval, once.mappings[0].from_, once.mappings[0].to) == (0, "regex:(?:team/.*)", "all")
    assert config.lister.max_items == -1
    assert config.registries["docker.io"].requests == (5, 1.0)
    assert config.registries["quay.io"].reserve == 50
    notes = "\n".join(draft.notes)
    for told in (
        "creds of docker.io: the login comes from a template",
        "creds of quay.io: 'mirrors' has no equivalent",
        "sync[0]: 'backup' is left out",
        "sync[1]: interval 10s: the shortest is 30 seconds",
        "sync[1]: 'referrerFilters' is left out",
        "sync[2]: 'schedule' is left out",
        "sync[3]: left out: 'repos.deny'",
        "sync[4]: left out: an image keeps its tag here",
        "sync[5]: left out: only registries",
    ):
        assert told in notes, notes


def test_skopeo_sync(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "docker.io": {"images": {"busybox": [], "team/redis": ["1.0", "sha256:" + "0" * 64]}},
        "quay.io": {
            "tls-verify": False,
            "credentials": {"username": "ann", "password": "a password"},
            "cert-dir": "/home/ann/certs",
            "images-by-tag-regex": {"nginx": r"^1\.13\.[12]$", "web": "alpine"},
            "images-by-semver": {"alpine": ">= 3.12", "edge": "newest"},
        },
    }
    draft = skopeo_sync.convert(Given.parse(yaml.safe_dump(given)), "registry.example.com/mirror", scoped=False)
    path = tmp_path / "dregsy.yaml"
    path.write_text(draft.text())
    config = load(path).config
    hub, quay = config.tasks
    assert [(m.from_, m.to, len(m.tags)) for m in hub.mappings] == [
        ("library/busybox", "mirror/busybox", 0),
        ("team/redis", "mirror/redis", 2),
    ]
    assert [(m.from_, m.to, m.tags) for m in quay.mappings] == [
        ("nginx", "mirror/nginx", [r"regex: 1\.13\.[12]"]),
        ("web", "mirror/web", ["regex: .*(?:alpine).*"]),
        ("alpine", "mirror/alpine", ["semver: >=3.12.0", "keep: [^-]*"]),
    ]
    assert quay.source.skip_tls_verify and quay.source.credentials
    notes = "\n".join(draft.notes)
    assert "cert-dir" in notes and "quay.io/edge: left out" in notes and "set 'auth' for registry.example.com" in notes
    scoped = skopeo_sync.convert(Given.parse("docker.io: {images: {busybox: []}}"), "h/p", scoped=True).document()
    assert scoped["tasks"][0]["mappings"][0]["to"] == "p/docker.io/library/busybox"


def _run(path: Path, text: str, *options: str) -> tuple[int, str, str]:
    path.write_text(text)
    result = CliRunner().invoke(group, ["convert", str(path), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


_SYNC = "sync: [{source: a/b, target: r.example/d}]\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_SYNC + "defaults: [1]", ["2: defaults: must be a mapping"]),
        (_SYNC + "defaults: {platforms: linux/amd64}", ["2: defaults.platforms: must be a list"]),
        (_SYNC + "creds: docker.io", ["2: creds: must be a list"]),
        (_SYNC + "creds: [docker.io]", ["2: creds[0]: must be a mapping"]),
        (_SYNC + "creds: [{registry: docker.io, reqPerSec: many}]", ["2: creds[0].reqPerSec: must be a number"]),
        (_SYNC + "creds: [{registry: docker.io, reqPerSec: .inf}]", ["2: creds[0].reqPerSec: must be a number"]),
        (_SYNC + "creds: [{registry: docker.io, tls: off}]", ["2: creds[0].tls: must be enabled, insecure, disabled"]),
        (_SYNC + "creds: [{registry: docker.io, user: [bob]}]", ["2: creds[0].user: must be text"]),
        (_SYNC + "defaults: {ratelimit: 100}", ["2: defaults.ratelimit: must be a mapping"]),
        (_SYNC + "defaults: {ratelimit: {min: -1}}", ["2: defaults.ratelimit.min: must be a number"]),
        (_SYNC + "defaults: {referrers: maybe}", ["2: defaults.referrers: must be true or false"]),
        ("sync:\n- {source: a/b, target: r/d}\n- a/b", ["3: sync[1]: must be a mapping"]),
        ("sync:\n- {source: [a/b], target: r/d}", ["2: sync[0].source: must be text"]),
        ("sync:\n- {source: a/b, target: r/d, type: repo}", ["2: sync[0].type: must be image, repository, registry"]),
        (
            "sync:\n- {source: a/b, target: r/d, type: repository, tags: [1.0]}\n"
            "- source: a/c\n  target: r/d\n  type: repository\n  tags:\n    allow: v1\n    deny: {x: y}",
            ["2: sync[0].tags: must be a mapping", "7: sync[1].tags.allow: must be a list",
             "8: sync[1].tags.deny: must be a list"],
        ),
        ("sync: []\nsync: []", ["2: sync: 'sync' stands here and in line 1; keep one"]),
        ("docker.io: {images: [library/busybox]}", ["1: docker.io.images: must be a mapping"]),
        ("docker.io:\n  images:\n    a: latest", ["3: docker.io.images.a: must be a list"]),
        ("docker.io: {images: {a: []}, credentials: bob}", ["1: docker.io.credentials: must be a mapping"]),
        ("docker.io: {images: {a: []}, tls-verify: never}", ["1: docker.io.tls-verify: must be true or false"]),
        ("docker.io: {images: {a: []}}\nquay.io:", ["2: quay.io: must be a mapping that has 'images'"]),
        ("docker.io: {images-by-tag-regex: {a: [b]}}", ["1: docker.io.images-by-tag-regex.a: must be text"]),
    ],
)  # fmt: skip
def test_each_value_of_another_type_is_told_by_line_and_key(tmp_path: Path, text: str, told: list[str]) -> None:
    path = tmp_path / "other.yaml"
    code, out, err = _run(path, text, "--to", "r.example/m")
    lines = err.splitlines()
    assert (code, out) == (1, "")
    assert [line[: len(f"{path}:{start}")] for line, start in zip(lines, told, strict=False)] == [
        f"{path}:{start}" for start in told
    ]
    assert lines[len(told) :] == [f"Error: {path} is not converted: {len(told)} error{'s' if len(told) > 1 else ''}"]


@pytest.mark.parametrize("text", ["a: [", "a: *nobody", "sync: [{source: a/b}]\n\tx: 1"])
def test_what_is_no_yaml_is_told_by_line(tmp_path: Path, text: str) -> None:
    code, _, err = _run(tmp_path / "other.yaml", text)
    assert code == 1 and "not valid YAML" in err and "other.yaml:" in err


def test_a_result_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    text = "sync: [{source: a/b, target: r.example/d, type: repository, tags: {allow: ['(']}}]"
    code, out, err = _run(tmp_path / "other.yaml", text)
    assert code == 0 and "regex: (" in out
    assert "note: mend this in the result: result:" in err and "tasks[0].mappings[0].tags" in err
    assert "nothing in it became a task" in _run(tmp_path / "other.yaml", "sync: []")[2]


@pytest.mark.parametrize("to", ["https://r.example/m", "/m", "r.example/m:latest", "r.example/Mirror"])
def test_a_target_that_is_none(tmp_path: Path, to: str) -> None:
    code, _, err = _run(tmp_path / "other.yaml", "docker.io: {images: {a: []}}", "--to", to)
    assert code == 2 and f"--to '{to}' is not HOST[/PATH]" in err
