"""The main job: a config in, images in the target registry out."""

from __future__ import annotations

import json
from pathlib import Path

from tests.lab.dregsy import dregsy, location, mapping, sync, task, write_config
from tests.lab.images import push_image, push_index, push_many
from tests.lab.registry import Registry


def test_200_images_and_then_nothing_to_do(tmp_path: Path, source: Registry, target: Registry) -> None:
    digests = push_many(source, "lib/app", [f"1.{n}" for n in range(200)])
    config = write_config(tmp_path, task("all", location(source), location(target), mapping("lib/app", "mirror/app")))

    first = sync(config)
    assert (first.code, first.counts("all")) == (0, (200, 0, 0))
    assert {tag: target.digest("mirror/app", tag) for tag in target.tags("mirror/app")} == digests

    before = len(source.requests()), len(target.requests())
    second = sync(config)
    assert (second.code, second.counts("all")) == (0, (0, 200, 0))
    at_source, at_target = source.requests()[before[0] :], target.requests()[before[1] :]
    assert all(request.agent.startswith("dregsy_queue") for request in at_source + at_target), "no skopeo was started"
    # Nobody signs in, so the lists are the first requests. Without sync records the target's list may spare it looks.
    assert {r.path.split("?")[0] for r in at_target if r.method != "HEAD"} == {"/v2/mirror/app/tags/list"}
    assert {r.path.split("?")[0] for r in at_source if r.method != "HEAD"} == {"/v2/lib/app/tags/list"}
    assert len(at_target) <= 203 and len(at_source) <= 203


def test_dregsys_own_call(tmp_path: Path, source: Registry, target: Registry) -> None:
    digest = push_image(source, "lib/app", "1.0")
    config = write_config(
        tmp_path,
        task("one", location(source), location(target), mapping("lib/app")),
        task("other", location(source), location(target), mapping("lib/app", "elsewhere")),
    )
    for flags in ([f"-config={config}", "-run=one"], ["--config", str(config), "--run", "one"]):
        outcome = dregsy(*flags)
        assert outcome.code == 0, outcome.stderr
    assert target.digest("lib/app", "1.0") == digest
    assert target.tags("elsewhere") == []
    assert "one" in outcome.stdout and "other" not in outcome.stdout
    assert dregsy(f"-config={config}", "-run=!one").code == 0
    assert target.digest("elsewhere", "1.0") == digest


def test_what_changed_is_copied_again_and_what_drifted_too(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["a", "b", "c"])
    config = write_config(tmp_path, task("t", location(source), location(target), mapping("lib/app")))
    assert sync(config).counts("t") == (3, 0, 0)
    changed = push_image(source, "lib/app", "b", seed="new")
    original = source.digest("lib/app", "c")
    push_image(target, "lib/app", "c", seed="somebody else")
    outcome = sync(config)
    assert outcome.counts("t") == (2, 1, 0)
    assert target.digest("lib/app", "b") == changed and target.digest("lib/app", "c") == original


def test_platforms(tmp_path: Path, source: Registry, target: Registry) -> None:
    for media in ("docker", "oci"):
        platforms = ["linux/amd64", "linux/arm64/v8", "linux/arm/v7", "linux/arm/v6"]
        pushed = push_index(source, f"lib/{media}", "1", platforms=platforms, media=media)
        config = write_config(
            tmp_path,
            task(
                "t",
                location(source),
                location(target),
                mapping(f"lib/{media}", f"{media}/all", platform="all"),
                mapping(f"lib/{media}", f"{media}/arm64", platform="linux/arm64"),
                mapping(f"lib/{media}", f"{media}/armv7", platform="linux/arm/v7"),
                mapping(f"lib/{media}", f"{media}/own"),
            ),
        )
        assert sync(config).counts("t") == (4, 0, 0)
        assert target.digest(f"{media}/all", "1") == pushed.digest
        assert target.digest(f"{media}/arm64", "1") == pushed.children["linux/arm64/v8"]
        assert target.digest(f"{media}/armv7", "1") == pushed.children["linux/arm/v7"]
        assert target.digest(f"{media}/own", "1") in pushed.children.values()
        assert target.digest(f"{media}/all", pushed.children["linux/arm/v6"]), "all platforms came along"
        assert sync(config).counts("t") == (0, 4, 0)


def test_digests_as_tags(tmp_path: Path, source: Registry, target: Registry) -> None:
    one, two = push_image(source, "lib/app", "1"), push_image(source, "lib/app", "2")
    config = write_config(
        tmp_path, task("t", location(source), location(target), mapping("lib/app", "x", tags=[one, f"named@{two}"]))
    )
    assert sync(config).counts("t") == (2, 0, 0)
    assert target.digest("x", one) == one and target.digest("x", "named") == two
    assert target.tags("x") == ["named"]
    assert sync(config).counts("t") == (0, 2, 0)
    assert not [request for request in source.requests() if "/tags/list" in request.path], "no list is needed"


def test_official_images_of_docker_hub_by_their_short_name(tmp_path: Path, source: Registry, target: Registry) -> None:
    digest = push_image(source, "library/busybox", "1")
    config = write_config(
        tmp_path,
        task("t", {"registry": "docker.io", "auth": "none"}, location(target), mapping("busybox", tags=["1"])),
        registries={"docker.io": {"endpoint": source.url}},
    )
    outcome = sync(config)
    assert (outcome.code, outcome.counts("t")) == (0, (1, 0, 0)), outcome.stdout
    assert target.digest("busybox", "1") == digest


def test_fields_of_log_lines(tmp_path: Path, source: Registry, target: Registry) -> None:
    digest = push_image(source, "lib/app", "1.0")
    mapped = mapping("lib/app", "x", tags=["1.0", digest], platform="linux/amd64")
    config = write_config(tmp_path, task("one", location(source), location(target), mapped, verbose=True))
    outcome = sync(config, env={"LOG_LEVEL": "debug"})
    lines = [json.loads(line) for line in outcome.stderr.splitlines() if line.startswith("{")]
    (planned,) = [line for line in lines if line["msg"] == "mapping"]
    assert {"task": "one", "source": source.host, "target": target.host}.items() <= planned.items()
    assert (planned["from"], planned["to"]) == ("lib/app", "x")
    copied = {line["tag"]: line for line in lines if line["msg"].startswith("copied")}
    assert set(copied) == {"1.0", digest}
    expected = {"task": "one", "source": f"{source.host}/lib/app:1.0", "target": f"{target.host}/x:1.0"}
    assert {**expected, "platform": "linux/amd64", "relay": "skopeo", "level": "info"}.items() <= copied["1.0"].items()
    assert any("Writing manifest" in line["msg"] and line["level"] == "info" for line in lines), "verbose"


def test_without_tasks_there_is_nothing_to_do(tmp_path: Path) -> None:
    outcome = dregsy(f"-config={write_config(tmp_path)}")
    assert outcome.code == 0 and "no task" in outcome.stderr


def test_wrong_usage(tmp_path: Path) -> None:
    assert dregsy().code == 1 and "-config=FILE" in dregsy().stdout
    assert dregsy("sync").code == 2
    assert dregsy("nonsense").code == 2
    config = write_config(tmp_path, task("t", location("localhost:1"), location("localhost:2"), mapping("a")))
    outcome = dregsy(f"-config={config}", "-run=(")
    assert outcome.code == 1 and "regular expression" in outcome.stderr and "Traceback" not in outcome.stderr
