"""What fails is told in one clear line; everything else is done; the exit code is 1; the report has it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from aiohttp import web

from tests.conftest import MakeProxy, MakeRegistry
from tests.lab.dregsy import BIN, Outcome, auth, dregsy, location, mapping, sync, task, write_config
from tests.lab.images import push_image, push_index, push_many
from tests.lab.processes import free_port, processes_with
from tests.lab.proxy import Faults
from tests.lab.registry import Registry


@pytest.fixture
def good(source: Registry, target: Registry) -> dict[str, object]:
    push_many(source, "good/app", ["1", "2"])
    return task("good", location(source), location(target), mapping("good/app"))


def assert_failed(outcome: Outcome, name: str, *words: str, failed: int = 1) -> None:
    """Task `name` has `failed` failures whose error holds `words`, on one line; the good task is done."""
    assert outcome.code == 1, outcome.stderr
    assert outcome.counts("good") == (2, 0, 0)
    errors = [job["error"] for job in outcome.jobs(name) if job["status"] == "failed"]
    assert len(errors) == failed == outcome.counts(name)[2]
    for error in errors:
        for word in words:
            assert word in error, error
        assert "\n" not in error
    # The summary tells a reason once, without what is particular to one image.
    assert all(word in outcome.stdout.replace("\n", " ") for word in words), outcome.stdout
    assert "Traceback" not in outcome.stderr + outcome.stdout


def test_wrong_password(tmp_path: Path, make_registry: MakeRegistry, good: dict[str, object], target: Registry) -> None:
    private = make_registry(users={"bob": "right"})
    push_image(private, "lib/app", "1")
    bad = task("bad", location(private, auth=auth("bob", "wrong")), location(target), mapping("lib/app"))
    assert_failed(sync(write_config(tmp_path, good, bad)), "bad", private.host, "'bob'", "refused")


def test_wrong_password_at_the_target(
    tmp_path: Path, make_registry: MakeRegistry, good: dict[str, object], source: Registry
) -> None:
    private = make_registry(users={"bob": "right"})
    bad = task("bad", location(source), location(private, auth=auth("bob", "wrong")), mapping("good/app", "x"))
    assert_failed(sync(write_config(tmp_path, good, bad)), "bad", private.host, "'bob'", failed=2)


def test_unknown_repository(tmp_path: Path, good: dict[str, object], source: Registry, target: Registry) -> None:
    bad = task("bad", location(source), location(target), mapping("no/such"), mapping("no/tag", tags=["1"]))
    outcome = sync(write_config(tmp_path, good, bad))
    assert_failed(outcome, "bad", source.host, "no/", failed=2)


def test_unreachable_registry(tmp_path: Path, good: dict[str, object], target: Registry) -> None:
    bad = task("bad", location(f"127.0.0.1:{free_port()}"), location(target), mapping("lib/app"))
    outcome = sync(write_config(tmp_path, good, bad), env={"DREGSY_MAX_ATTEMPTS": "2"})
    assert_failed(outcome, "bad", "cannot be reached", "refused")


def test_a_config_that_is_emptied_meanwhile_ends_what_waits(tmp_path: Path, source: Registry, target: Registry) -> None:
    """No worker uses the relay of the waiting jobs any more: they fail, instead of waiting for nobody."""
    push_many(source, "lib/app", [f"{n}" for n in range(20)])
    skopeo = tmp_path / "skopeo"
    # 16 run at once; the worker has the new config after two looks.
    skopeo.write_text(
        f'#!/bin/sh\ncase "$*" in *copy*) echo "tasks: []" > {tmp_path}/dregsy.yaml; sleep 6;; esac\nexec skopeo "$@"\n'
    )
    skopeo.chmod(0o755)
    outcome = sync(
        write_config(
            tmp_path,
            task("t", location(source), location(target), mapping("lib/app")),
            skopeo={"binary": str(skopeo)},
        ),
        timeout=60,
    )
    assert outcome.code == 1
    errors = {job["error"] for job in outcome.jobs("t") if job["status"] == "failed"}
    assert errors == {"dropped: its task is not in the config any more"}
    assert outcome.counts("t")[0] == len(target.tags("lib/app")) >= 16


def test_no_room_for_a_temporary_folder_is_one_line(tmp_path: Path, source: Registry, target: Registry) -> None:
    config = write_config(tmp_path, task("t", location(source), location(target), mapping("lib/app")))
    # No file may grow: to Python no temporary folder is usable then, as where all file systems are read-only or full.
    command = ["sh", "-c", f"ulimit -f 0; exec {BIN}/dregsy -config={config}"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "no temporary folder can be made: No usable temporary directory found" in ended.stderr


def test_a_tag_that_vanishes_between_planning_and_transfer(
    tmp_path: Path, good: dict[str, object], source: Registry, target: Registry
) -> None:
    # A skopeo that deletes the tag first stands for whoever deletes it in that moment.
    push_many(source, "lib/app", ["gone", "stays"])
    digest = source.digest("lib/app", "gone")
    skopeo = tmp_path / "skopeo"
    skopeo.write_text(
        f'#!/bin/sh\ncase "$*" in *{digest}*) curl -s -X DELETE {source.url}/v2/lib/app/manifests/{digest};; esac\n'
        'exec skopeo "$@"\n'
    )
    skopeo.chmod(0o755)
    bad = task("bad", location(source), location(target), mapping("lib/app"))
    outcome = sync(write_config(tmp_path, good, bad, skopeo={"binary": str(skopeo)}))
    assert_failed(outcome, "bad", "lib/app gone: does not exist")
    assert target.tags("lib/app") == ["stays"]
    (failed,) = [job for job in outcome.jobs("bad") if job["status"] == "failed"]
    assert failed["attempts"] == 1, "what does not exist is not tried again"


def test_skopeo_missing(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1", "2"])
    push_many(target, "lib/app", ["1"])
    assert source.digest("lib/app", "1") == target.digest("lib/app", "1")
    bad = task("bad", location(source), location(target), mapping("lib/app"))
    outcome = sync(write_config(tmp_path, bad, skopeo={"binary": "/no/such/skopeo"}))
    assert outcome.code == 1 and outcome.counts("bad") == (0, 1, 1)
    (failed,) = [job for job in outcome.jobs("bad") if job["status"] == "failed"]
    assert "'/no/such/skopeo' was not found" in failed["error"] and "install skopeo" in failed["error"]
    assert "was not found" in outcome.stdout


def test_no_image_for_the_platform(tmp_path: Path, good: dict[str, object], source: Registry, target: Registry) -> None:
    push_index(source, "lib/app", "1", platforms=["linux/amd64", "linux/arm64"])
    bad = task("bad", location(source), location(target), mapping("lib/app", platform="linux/riscv64"))
    assert_failed(sync(write_config(tmp_path, good, bad)), "bad", "linux/riscv64", "linux/amd64, linux/arm64")


def test_targets_that_no_registry_can_hold(
    tmp_path: Path, good: dict[str, object], source: Registry, target: Registry
) -> None:
    mappings = mapping("regex:good/app", "regex:good,Upper"), mapping("regex:good/app", "regex:app,a..b")
    outcome = sync(write_config(tmp_path, good, task("bad", location(source), location(target), *mappings)))
    assert_failed(outcome, "bad", "is not a repository name", failed=2)
    assert all(job["attempts"] == 0 for job in outcome.jobs("bad"))


def test_one_platform_of_an_index_by_digest_alone(
    tmp_path: Path, good: dict[str, object], source: Registry, target: Registry
) -> None:
    index = push_index(source, "multi/app", "1", platforms=["linux/amd64", "linux/arm64"])
    tags = [index.digest, f"named@{index.digest}"]
    bad = task("bad", location(source), location(target), mapping("multi/app", tags=tags, platform="linux/arm64"))
    outcome = sync(write_config(tmp_path, good, bad))
    assert_failed(outcome, "bad", "platform: all", "NAME@sha256")
    assert target.digest("multi/app", "named") == index.children["linux/arm64"]


def test_an_index_that_is_none_stops_no_other_image(
    tmp_path: Path, good: dict[str, object], source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    push_many(source, "lib/app", ["1", "3"])
    body = b'{"manifests": [{"digest": "$(touch evil)"}]}'
    headers = {
        "Docker-Content-Digest": "sha256:" + hashlib.sha256(body).hexdigest(),
        "Content-Type": "application/vnd.oci.image.index.v1+json",
    }

    async def odd(request: web.Request) -> web.StreamResponse | None:
        if request.path.endswith(("/manifests/2", headers["Docker-Content-Digest"])):
            return web.Response(body=body, headers=headers)
        return None

    hostile = make_proxy(source, faults=Faults(hook=odd))
    bad = task("bad", location(hostile.host), location(target), mapping("lib/app", tags=["1", "2", "3"]))
    outcome = sync(write_config(tmp_path, good, bad))
    assert outcome.counts("bad") == (2, 0, 1), outcome.stdout
    assert_failed(outcome, "bad", "/lib/app:2", "not an image index")


def test_ten_errors_in_one_config(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        """relay: skopeo
watxh: true
skopeo: {binarry: x}
tasks:
- name: a
  interval: 10
  source: {registry: "https://registry/path"}
  target: {registry: localhost:5000, auth: "!!!"}
  mappings:
  - from: regex:(
  - to: b
  - from: a
    tags: ["semver: x"]
  - from: b
    platform: amd64
- name: a
  source:
  target: {registry: a, skip-tls-verify: "yes"}
"""
    )
    expected = {
        2: "unknown key 'watxh'; did you mean 'watch'?",
        3: "unknown key 'binarry'; did you mean 'binary'?",
        6: "minimum task interval is 30 seconds",
        7: "without scheme and path",
        8: "not valid base64",
        10: "not a valid regular expression",
        11: "mapping without 'From' path",
        13: "not a semver range",
        15: "not a platform",
        16: "names must differ",
        17: "source registry in task 'a' invalid: location is nil",
        18: "must be true or false",
    }
    for arguments in (["validate", "-c", str(path)], [f"-config={path}"]):
        outcome = dregsy(*arguments)
        assert outcome.code == 1
        lines = outcome.stderr.splitlines()
        for line, words in expected.items():
            assert any(text.startswith(f"{path}:{line}: ") and words in text for text in lines), (line, outcome.stderr)
        assert len(lines) == len(expected) + 1 and "12 errors; nothing was started" in lines[-1]
    assert processes_with(str(tmp_path)) == []


def test_a_task_without_mappings_is_a_warning(tmp_path: Path) -> None:
    """dregsy accepts it: there is nothing to do."""
    path = tmp_path / "dregsy.yaml"
    path.write_text("relay: skopeo\ntasks:\n- name: a\n  source: {registry: a}\n  target: {registry: b}\n")
    for arguments in (["validate", "-c", str(path)], [f"-config={path}"]):
        outcome = dregsy(*arguments)
        assert outcome.code == 0, outcome.stderr
        assert f"{path}:3: tasks[0].mappings: a task without mappings syncs nothing" in outcome.stderr


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    outcome = dregsy("validate", "-c", str(tmp_path / "none.yaml"))
    assert outcome.code == 1 and "No such file" in outcome.stderr and "Traceback" not in outcome.stderr


def test_two_mappings_with_one_target(tmp_path: Path, source: Registry, target: Registry) -> None:
    digests = push_many(source, "lib/one", ["1", "2"])
    push_many(source, "lib/two", ["2", "3"])
    mappings = [mapping("lib/one", "all"), mapping("lib/two", "all"), mapping("lib/one", "all")]
    outcome = sync(write_config(tmp_path, task("t", location(source), location(target), *mappings)))
    assert outcome.code == 1 and outcome.counts("t") == (3, 0, 1)
    (failed,) = [job for job in outcome.jobs("t") if job["status"] == "failed"]
    assert failed["source"].endswith("lib/two:2") and "already copies" in failed["error"]
    assert target.digest("all", "2") == digests["2"]
