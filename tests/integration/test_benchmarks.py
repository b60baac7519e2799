"""Benchmarks that call what is not public still run, at their smallest: what they measure here says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import compare, ledger, levels, queue, rows, scale
from tests.lab.images import push_many
from tests.lab.registry import Registry

Say = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


def test_ledger(monkeypatch: Patch, capsys: Say) -> None:
    _set(monkeypatch, ledger, TASKS=(3,), JOBS=200)
    ledger.main()
    told = capsys.readouterr().out
    assert "3 tasks that wait" in told and "planning it once more" in told and "forgetting it" in told


def test_queue_and_scale(tmp_path: Path, monkeypatch: Patch, capsys: Say) -> None:
    assert queue.measure(tmp_path / "queue", workers=1, jobs=20).rate > 0
    assert scale._tags(tmp_path / "tags", workers=1, number=2, tags=10, away=0.01) > 0
    assert "20 tags of 2 tasks, 10 ms away, 1 worker: " in capsys.readouterr().out


def test_levels(tmp_path: Path, monkeypatch: Patch, source: Registry, capsys: Say) -> None:
    _set(monkeypatch, levels, FOUND=1, KEPT=1, FOUND_OUT=1, TASKS=1, WORKERS=1)
    push_many(source, "lib/app", [str(number) for number in range(60)], size=512)
    levels._measure(tmp_path / "levels", source, "refuses")
    assert " under way " in capsys.readouterr().out


def test_compare(tmp_path: Path, monkeypatch: Patch, capsys: Say) -> None:
    monkeypatch.setitem(
        rows.ROWS, "same-far", rows.Row("3 tags", ("lib/app",), rows._small(3), far=True, nothing_new=True)
    )
    peers = [option for name in ("dregsy's way", "skopeo sync") for option in ("--without", name)]
    compare.main(["--row", "same-far", *peers, "--json", str(tmp_path / "costs.json")])
    assert "3 tags" in capsys.readouterr().out and "HEAD manifests" in (tmp_path / "costs.json").read_text()


def _set(monkeypatch: Patch, benchmark: object, **sizes: object) -> None:
    for name, value in sizes.items():
        monkeypatch.setattr(benchmark, name, value)
