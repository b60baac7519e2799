"""A config file that changes under a running role."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from dregsy_queue.config.current import CurrentConfig
from dregsy_queue.config.load import ConfigError
from dregsy_queue.config.selection import login_fingerprint, task_fingerprint


def text(password: str = "first", more: str = "") -> str:
    auth = base64.b64encode(json.dumps({"username": "bob", "password": password}).encode()).decode()
    return (
        f"relay: skopeo\n{more}tasks:\n- name: t\n  source: {{registry: a.example, auth: {auth}}}\n"
        "  target: {registry: b.example}\n  mappings: [{from: x}]\n"
    )


def test_what_counts_is_the_content(tmp_path: Path) -> None:
    path = tmp_path / "dregsy.yaml"
    path.write_text(text())
    config = CurrentConfig(path)
    before, digest = config.snapshot, config.digest
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text(text("fixed"))
    os.utime(path, ns=times)
    assert not config.look(), "it may be written in several steps"
    assert config.look()
    assert not config.look()
    task = config.task("t")
    assert task and task.source.credentials and task.source.credentials.password == "fixed"
    assert config.digest != digest
    assert task_fingerprint(task) == task_fingerprint(before.tasks["t"]), "it is the same task"
    assert login_fingerprint(task) != login_fingerprint(before.tasks["t"])


def test_while_it_is_written_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "dregsy.yaml"
    path.write_text(text())
    config = CurrentConfig(path)
    for number in range(3):
        path.write_text(text(more=f"x-{number}: 1\n"))
        assert not config.look()
    assert config.look()


def test_a_broken_file_changes_nothing_and_is_told_until_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "dregsy.yaml"
    path.write_text(text())
    config = CurrentConfig(path)
    snapshot = config.snapshot
    path.write_text(text(more="relai: x\n"))
    for _ in range(4):
        assert not config.look()
    assert config.snapshot is snapshot and "relai" in config.error
    assert len([record for record in caplog.records if "NOT used" in record.message]) == 1
    path.unlink()
    for _ in range(3):
        assert not config.look()
    assert "cannot be read" in config.error
    path.write_text(text())
    for _ in range(3):
        config.look()
    assert config.error == "" and config.snapshot is snapshot


def test_at_start_it_must_be_good(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        CurrentConfig(tmp_path / "none.yaml")
