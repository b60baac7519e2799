"""The starter config is good, and never takes the place of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dregsy_queue.cli import main
from dregsy_queue.config.load import load


def test_it_is_a_good_config_and_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "dregsy.yaml"
    with pytest.raises(SystemExit) as ended:
        main(["init", str(path)])
    assert ended.value.code == 0
    loaded = load(path)
    assert loaded.warnings == [] and loaded.config.tasks[0].mappings[0].tags[2] == "keep: latest 5"
    path.write_text("mine")
    with pytest.raises(SystemExit) as ended:
        main(["init", str(path)])
    assert ended.value.code == 1 and path.read_text() == "mine"


def test_a_dash_is_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["init", "-"])
    assert "tasks:" in capsys.readouterr().out and not list(tmp_path.iterdir())
