"""`--state`: what one call leaves to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.dregsy import location, mapping, sync, task, write_config
from tests.lab.images import push_image, push_index, push_many
from tests.lab.registry import Registry


def requests_since(registry: Registry, before: int) -> list[str]:
    """Methods, without the first request, which asks how to sign in."""
    return [request.method for request in registry.requests()[before:] if request.path != "/v2/"]


def test_with_a_state_the_next_call_asks_for_less(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1", "2", "3"])
    copy = task("t", location(source), location(target), mapping("lib/app", "mirror"))
    config = write_config(tmp_path, {**copy, "drift-check": "24h"}, relay="direct")
    state = tmp_path / "state.json"
    with_state = ("--state", str(state))
    assert sync(config, *with_state).counts("t") == (3, 0, 0)
    assert sync(config, *with_state).counts("t") == (0, 3, 0)
    before = len(source.requests()), len(target.requests())
    assert sync(config, *with_state).counts("t") == (0, 3, 0)
    assert requests_since(target, before[1]) == []
    assert sorted(requests_since(source, before[0])) == ["GET", "HEAD", "HEAD", "HEAD"]
    changed = push_image(source, "lib/app", "2", seed="changed")
    assert sync(config, *with_state).counts("t") == (1, 2, 0)
    assert target.digest("mirror", "2") == changed
    assert oct(state.stat().st_mode)[-3:] == "600"


def test_an_index_is_read_once(tmp_path: Path, source: Registry, target: Registry) -> None:
    """What one platform of it is stays known, also where another program copied it."""
    pushed = push_index(source, "lib/app", "1", platforms=["linux/amd64", "linux/arm64"])
    copy = mapping("lib/app", platform="linux/arm64")
    config = write_config(tmp_path, task("t", location(source), location(target), copy), relay="direct")
    assert sync(config).counts("t") == (1, 0, 0)
    options = ("--state", str(tmp_path / "state.json"))
    reads = []
    for _ in range(2):
        before = len(source.requests())
        assert sync(config, *options).counts("t") == (0, 1, 0)
        paths = [request.path for request in source.requests()[before:] if request.method == "GET"]
        reads.append([path for path in paths if pushed.digest in path])
    assert [len(found) for found in reads] == [1, 0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1, "tasks": {"t": 5}}', '{"format": 2, "tasks": {}}'])
def test_a_state_that_cannot_be_used_is_no_error(tmp_path: Path, source: Registry, target: Registry, text: str) -> None:
    push_many(source, "lib/app", ["1"])
    config = write_config(tmp_path, task("t", location(source), location(target), mapping("lib/app")), relay="direct")
    state = tmp_path / "state.json"
    state.write_text(text)
    outcome = sync(config, "--state", str(state))
    assert outcome.counts("t") == (1, 0, 0) and outcome.code == 0
    assert ("all images are compared again" in outcome.stderr) == ("5" not in text)
    document: dict[str, Any] = json.loads(state.read_text())
    assert list(document["tasks"]["t"]["records"]) == [f"{target.host}/lib/app:1"]


def test_a_task_that_does_not_run_keeps_its_state(tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1"])
    tasks = [task(name, location(source), location(target), mapping("lib/app", name)) for name in ("one", "two")]
    config = write_config(tmp_path, *tasks, relay="direct")
    state = tmp_path / "state.json"
    for name in ("one", "two"):
        assert sync(config, "--run", name, "--state", str(state)).code == 0
    assert sorted(json.loads(state.read_text())["tasks"]) == ["one", "two"]
