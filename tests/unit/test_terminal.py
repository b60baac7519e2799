"""Texts for terminals and pipes."""

from __future__ import annotations

import io
import time

import pytest

from dregsy_queue.terminal import clean, fitted, flow, lines, moment, size, span, table, write


def test_names_are_no_markup_and_no_control_characters() -> None:
    stream = io.StringIO()
    names = ["[/prod]", "[red]x[/]", "a\nb", "\x1b[2J", ":smile:", "\u202eevil"]
    write([table(("task", "n"), [(name, "1") for name in names])], stream)
    told = stream.getvalue().splitlines()
    assert [line.split()[0] for line in told[1:]] == [
        "[/prod]", "[red]x[/]", r"a\nb", r"\x1b[2J", ":smile:", r"\u202eevil"
    ]  # fmt: skip
    assert not [line for line in told if line != line.rstrip()]


def test_a_pipe_gets_whole_names_and_a_narrow_one_folds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name, stream = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/" + "x" * 80, io.StringIO()
    write([table(("image", "state"), [(name, "copied")])], stream)
    assert name in stream.getvalue()
    monkeypatch.setenv("COLUMNS", "80")
    stream = io.StringIO()
    write([table(("image", "state"), [(name, "copied")])], stream)
    told = stream.getvalue().splitlines()
    assert max(map(len, told)) <= 80
    assert "".join(line.split()[0] for line in told[1:]) == name, "no letter is lost"


def test_a_narrow_terminal_keeps_what_tells_images_apart() -> None:
    source, target = "docker.io/shop/web:1.2.3", "mirror.example/docker/shop/web:1.2.3"
    shown = [fitted(source, target, width) for width in (80, 50, 24, 17)]
    assert shown == [f"{source} → {target}", f"{source} → mirror.example/…", source, "docke…p/web:1.2.3"]
    assert [len(fitted(source, target, width)) <= width for width in (60, 30, 23, 10, 3)] == [True] * 5


def test_numbers_for_people() -> None:
    assert [span(n) for n in (-1, 0, 119, 120, 7200, 172800)] == ["0 s", "0 s", "119 s", "2 min", "2 h", "2 d"]
    assert [size(n) for n in (0, 999, 1500, 2.5e9)] == ["0 B", "999 B", "1.5 kB", "2.5 GB"]
    assert [flow(*far) for far in ((None, None), (5, None), (2000, 0.0))] == ["unknown bytes", "5 B", "2.0 kB, 0 B/s"]
    now = time.time()
    assert len(moment(now, now)) == len("12:00:00") and len(moment(now - 90000, now)) == len("2026-01-01 12:00")
    assert clean("a\tb\r") == r"a\tb\r"


def test_what_does_not_fit_becomes_lines_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    headers = ("run", "task", "state", "copied", "started", "sent")
    rows = [("17-965a56a6", "shop", "done", "16", "16:07:52", "579.0 MB"), ("18-96efd6fe", "x", "failed")]
    shown = {}
    for width in (80, 60, 40, 20):
        monkeypatch.setenv("COLUMNS", str(width))
        stream = io.StringIO()
        write([table(headers, rows, left=(0, 1), folds=(0, 1)), *lines("one two " * 20, indent=" ", hang=2)], stream)
        shown[width] = stream.getvalue().splitlines()
        assert max(map(len, shown[width])) <= width
        assert {"17-965a56a6", "shop", "16", "579.0", "MB"} <= set(" ".join(shown[width]).replace(",", "").split())
    assert shown[80][0] == shown[60][0] and shown[80][0].split() == list(headers)
    assert shown[40][:4] == [
        "17-965a56a6  shop", "  state done, copied 16, started", "  16:07:52, sent 579.0 MB", "18-96efd6fe  x"
    ]  # fmt: skip
    assert all(line.startswith("   ") for line in shown[40][6:])
