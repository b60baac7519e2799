"""`dregsy plan` says what the sync after it does, changes nothing, and costs no pulls."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from dregsy_queue.ledger.connection import connect
from dregsy_queue.ledger.keys import key
from tests.conftest import MakeProxy
from tests.lab.dregsy import Outcome, dregsy, location, mapping, sync, task, write_config
from tests.lab.images import push_image, push_index, push_many
from tests.lab.processes import free_port
from tests.lab.proxy import Quota
from tests.lab.registry import Registry


def _plan(config: Path, *options: str) -> tuple[Outcome, list[dict[str, Any]]]:
    done = dregsy("plan", str(config), "--json", *options)
    assert done.stdout, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return done, rows


def _planned(rows: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    return {
        (row["task"], row["source"], row["target"], "failed" if row.get("error") else row["action"], row["reason"])
        for row in rows
        if row["reason"] != "not-selected"
    }


def _done(report: dict[str, Any]) -> set[tuple[str, ...]]:
    actions = {"copied": "copy", "up-to-date": "none", "failed": "failed"}
    return {
        (name, job["source"], job["target"], actions[job["status"]], job["reason"])
        for name, found in report["tasks"].items()
        for job in found["jobs"]
    }


def test_the_sync_does_what_was_planned(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "team/web", ["1.0.0", "1.1.0", "1.2.0", "2.0.0", "edge", "nightly"])
    push_many(source, "team/api", ["a", "b"])
    fixed = push_image(source, "fixed", "one")
    index = push_index(source, "multi", "1", platforms=["linux/amd64", "linux/arm64"])
    push_index(source, "multi", "whole", platforms=["linux/amd64", "linux/arm64"], media="oci")
    push_index(source, "odd", "1", platforms=["linux/s390x"])
    # at the target: the same, another one, the platform that is wanted, and what nobody wants
    push_image(target, "mirror/web", "1.1.0", seed="team/web:1.1.0", size=512)
    push_image(target, "mirror/web", "1.2.0", seed="something else")
    push_image(target, "mirror/web", "0.9.0")
    push_image(target, "mirror/multi", "1", seed="multi:1 linux/amd64")
    assert target.digest("mirror/multi", "1") == index.children["linux/amd64"]
    sides = location(source), location(target)
    config = write_config(
        tmp_path,
        task(
            "web",
            *sides,
            mapping("team/web", "mirror/web", ["semver: >=1.0.0", "keep: latest 3", "edge"]),
            mapping("multi", "mirror/multi", ["1"], platform="linux/amd64"),
            mapping("multi", "whole/multi", ["whole"], platform="all"),
            mapping("fixed", "mirror/fixed", [fixed]),
        ),
        task("all", location(source, lister={"type": "catalog"}), sides[1], mapping("regex:team/.*", "all")),
        task(
            "bad",
            *sides,
            mapping("team/web", "bad/web", ["gone"]),
            mapping("odd", "bad/odd", platform="linux/amd64"),
            mapping("no/such", "bad/such"),
        ),
    )
    before = target.requests(), len(source.requests())
    done, rows = _plan(config, "--exit-code")
    assert done.code == 1, "what cannot be planned is told by the exit code"
    assert [row["target"] for row in rows if row["reason"] == "not-selected"] == [f"{target.host}/mirror/web:0.9.0"]
    asked = [*target.requests()[len(before[0]) :], *source.requests()[before[1] :]]
    assert {r.method for r in asked} == {"HEAD", "GET"}
    # What does not exist is asked for once more by GET, which is no pull.
    pulls = [r for r in asked if r.method == "GET" and r.status == 200 and re.search("/(manifests|blobs)/", r.path)]
    # only where one platform of an index is wanted: what the sync, too, must read
    assert sorted(r.path.split("/")[2] for r in pulls) == ["multi", "odd"]

    outcome = sync(config)
    assert _planned(rows) == _done(outcome.report)
    assert {action for *_, action, _ in _planned(rows)} == {"copy", "none", "failed"}

    done, rows = _plan(config, "--run", "web|all", "--exit-code")
    assert (done.code, {row["action"] for row in rows}) == (0, {"none"})

    text = dregsy("plan", str(config), "--run=all")
    assert text.code == 0 and "team/api → all/team/api: 2 tags" in text.stdout


def test_text_and_what_is_not_selected(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "web", ["1.0.0", "1.1.0", "1.2.0", "edge"])
    push_image(target, "web", "0.9.0")
    push_image(target, "web", "1.2.0", seed="another")
    wanted = mapping("web", tags=["semver: >=1.0.0", "keep: latest 2"])
    config = write_config(tmp_path, task("web", location(source), location(target), wanted))
    done, rows = _plan(config, "--sizes", "--exit-code")
    assert done.code == 2
    found = {row["target"].rpartition(":")[2]: (row["action"], row["reason"], row["recorded"]) for row in rows}
    assert found == {
        "1.1.0": ("copy", "missing", False),
        "1.2.0": ("copy", "changed", False),
        "0.9.0": ("none", "not-selected", False),
    }
    assert all(row["size"] > 512 for row in rows if row["action"] == "copy")
    text = dregsy("plan", str(config)).stdout
    words = [line.split() for line in text.splitlines()]
    assert "web → web: 4 tags, semver: >=1.0.0 → 3, keep: latest 2 → 2" in text
    assert ["differs", "web:1.2.0"] in words, "nobody knows which side was changed"
    assert ["not", "selected", "web:0.9.0"] in words
    assert max(map(len, text.splitlines())) <= 80


def test_records_tell_changed_from_drifted(tmp_path: Path, source: Registry, target: Registry, redis_url: str) -> None:
    digests = push_many(source, "web", ["a", "b"])
    push_image(target, "web", "a", seed="old")
    push_image(target, "web", "b", seed="by somebody else")
    old = target.digest("web", "a")
    config = write_config(tmp_path, task("web", location(source), location(target), mapping("web")))
    records = {f"{target.host}/web:a": f"sha256:{'0' * 64} {old}", f"{target.host}/web:b": f"{digests['b']} {old}"}
    pipeline = connect(redis_url).pipeline(transaction=True)
    pipeline.hset(key("records", "web"), mapping=records)
    pipeline.execute()
    _, rows = _plan(config, "--redis", redis_url)
    assert {row["target"][-1]: (row["reason"], row["recorded"]) for row in rows} == {
        "a": ("changed", True),
        "b": ("drifted", True),
    }


def test_quota(tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy) -> None:
    push_many(source, "web", ["a", "b", "c"])
    for limit, verdict in ((100, "3 pulls to do, 100 of 100 per 6 h left: fits"), (2, "takes about 6 h")):
        hub = make_proxy(source, quota=Quota(limit, 21600))
        config = write_config(tmp_path, task("web", location(hub.host), location(target), mapping("web")))
        text = dregsy("plan", str(config))
        assert verdict in text.stdout, text.stdout
        assert hub.count("GET", "/manifests/") == 0


def test_a_registry_that_is_away(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_image(source, "web", "1")
    good = task("good", location(source), location(target), mapping("web", "good"))
    away = task("away", location(f"127.0.0.1:{free_port()}"), location(target), mapping("web", "away"))
    done, rows = _plan(write_config(tmp_path, away, good), "--exit-code")
    assert done.code == 1
    assert {row["task"]: (row["action"], "refused" in row.get("error", "")) for row in rows} == {
        "away": ("none", True),
        "good": ("copy", False),
    }
