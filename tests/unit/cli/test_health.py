"""A probe that cannot know its role says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dregsy_queue.cli import health
from dregsy_queue.cli.group import group


def test_a_container_that_hides_its_first_process_is_told_of_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_FIRST_PROCESS", Path("/proc/1/hidden"))
    done = CliRunner().invoke(group, ["health", "container"])
    assert done.exit_code == 1
    assert done.output.startswith("unhealthy: the role of this container is unknown (")
    assert len(done.output.splitlines()) == 1


def test_a_container_with_another_first_process_has_no_role(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_bytes(b"sleep\0infinity\0")
    monkeypatch.setattr(health, "_FIRST_PROCESS", tmp_path / "cmdline")
    done = CliRunner().invoke(group, ["health", "container"])
    assert (done.exit_code, done.output) == (0, "healthy: this container has no lasting role\n")
