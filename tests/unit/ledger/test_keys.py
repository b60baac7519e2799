"""What Lua and Python name is in the table of keys, and what Lua reads of a job is a field of it."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import dregsy_queue
from dregsy_queue import prefix
from dregsy_queue.ledger import keys, scripts
from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob

PACKAGE = Path(dregsy_queue.__path__[0])
FOLDER = PACKAGE / "ledger" / "lua"
LUA = sorted(FOLDER.rglob("*.lua"))


def table() -> set[str]:
    """First words of the keys in the table."""
    return {line.split("`")[2].split(":")[0] for line in (keys.__doc__ or "").splitlines() if line.startswith("``")}


def test_no_two_rows_of_the_table_are_one_key() -> None:
    rows = [line.split("`")[2] for line in (keys.__doc__ or "").splitlines() if line.startswith("``")]
    assert len(rows) == len(set(rows))


def test_lua_and_python_agree_which_keys_end_with_a_task() -> None:
    named = re.search(r"local NAMED = \{([^}]*)\}", (FOLDER / "common.lua").read_text())
    assert named and set(re.findall(r"(\w+) = true", named[1])) == keys._NAMED


def test_every_key_is_in_the_table_and_the_table_has_no_other() -> None:
    named: set[str] = set()
    for file in LUA:
        named |= set(re.findall(r"""\bkey\('([^']+)'""", file.read_text()))
    for python in PACKAGE.rglob("*.py"):
        named |= set(re.findall(r"""\bkey\("([^"]+)\"""", python.read_text()))
    assert named - {""} == table()


def test_what_lua_reads_of_jobs_and_outcomes_are_their_fields() -> None:
    job, outcome = ({field.name for field in fields(kind)} for kind in (TransferJob, PlannedOutcome))
    read = {name: set[str]() for name in ("spec", "image", "before", "outcome")}
    for file in LUA:
        for name, field in re.findall(r"\b(spec|image|before|outcome)\.(\w+)", file.read_text()):
            read[name].add(field)
    assert read["spec"] and read["spec"] <= job
    assert read["image"] <= job & outcome and read["before"] | read["outcome"] <= outcome


def test_names_of_tasks_cannot_collide() -> None:
    assert keys.key("task", "a", "runs") != keys.key("task", "a:runs")
    assert keys.key("task", "a:b") != keys.key("task", "a%3Ab")
    assert keys.key("task", "team/app") == "dregsy:task:team/app", "readable as long as it can be"


@pytest.mark.parametrize(
    ("text", "expected"), [("", "dregsy:"), ("blue", "blue:"), ("blue:", "blue:"), ("a.b-c_1", "a.b-c_1:")]
)
def test_prefixes(text: str, expected: str) -> None:
    assert prefix.check_prefix(text) == expected


@pytest.mark.parametrize("text", ["a b", "ü", "*", "x" * 65, "a\n"])
def test_prefixes_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="1 to 64"):
        prefix.check_prefix(text)


def test_scripts_take_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "PREFIX", "blue:")
    assert "local PREFIX = 'blue:'\n" in scripts._source.__wrapped__("claim")
    monkeypatch.setattr(scripts, "PREFIX", prefix.DEFAULT_PREFIX)
    for name in ("claim", "audit"):
        parts = [f"{name}/{part}" for part in scripts.PARTS.get(name, ())]
        plain = "".join((FOLDER / f"{file}.lua").read_text() for file in ("common", *parts, name))
        assert scripts._source.__wrapped__(name) == plain, "by default a script is what the files say"


def test_no_file_of_lua_is_left_out() -> None:
    used = {FOLDER / name / f"{part}.lua" for name, parts in scripts.PARTS.items() for part in parts}
    assert used == {file for file in LUA if file.parent != FOLDER}
