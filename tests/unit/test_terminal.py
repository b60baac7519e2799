"""Texts for terminals and pipes."""

from __future__ import annotations

import io
import time

import pytest

from dregsy_queue.terminal import clean, moment, size, span, table, write


def test_names_are_no_markup_and_no_control_characters() -> None:
    stream = io.StringIO()
    names = ["[/prod]", "[red]x[/]", "a\nb", "\x1b[2J", ":smile:", "\u202eevil"]
    write([table(("task", "n"), [(name, "1") for name in names])], stream)
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines[1:]] == [
        "[/prod]", "[red]x[/]", r"a\nb", r"\x1b[2J", ":smile:", r"\u202eevil"
    ]  # fmt: skip
    assert not [line for line in lines if line != line.rstrip()]


def test_a_pipe_gets_whole_names_and_a_narrow_one_folds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name, stream = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/" + "x" * 80, io.StringIO()
    write([table(("image", "state"), [(name, "copied")])], stream)
    assert name in stream.getvalue()
    monkeypatch.setenv("COLUMNS", "80")
    stream = io.StringIO()
    write([table(("image", "state"), [(name, "copied")])], stream)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "".join(line.split()[0] for line in lines[1:]) == name, "no letter is lost"


def test_numbers_for_people() -> None:
    assert [span(n) for n in (-1, 0, 119, 120, 7200, 172800)] == ["0 s", "0 s", "119 s", "2 min", "2 h", "2 d"]
    assert [size(n) for n in (0, 999, 1500, 2.5e9)] == ["0 B", "999 B", "1.5 kB", "2.5 GB"]
    now = time.time()
    assert len(moment(now, now)) == len("12:00:00") and len(moment(now - 90000, now)) == len("2026-01-01 12:00")
    assert clean("a\tb\r") == r"a\tb\r"
