"""When a task is due after its config changed, or after clocks jumped."""

from __future__ import annotations

import pytest

from dregsy_queue.scheduling.timetable import Entry, following, next_due

NOW, DAY = 1_000_000.0, 86_400.0
TASK = Entry(60, "mappings", "login")


@pytest.mark.parametrize(
    ("before", "due", "at_once", "expected"),
    [
        # new: now, or an interval after nobody asked for it
        (None, None, True, NOW),
        (None, None, False, NOW + 60),
        # unchanged: keeps its beat
        (TASK, NOW + 20, True, NOW + 20),
        (TASK, NOW - 5, False, NOW - 5),
        # a clock was a day ahead, or the interval is shorter now
        (TASK, NOW + DAY, False, NOW + 60),
        (Entry(3600, "mappings", "login"), NOW + 3000, True, NOW + 60),
        # other mappings
        (Entry(60, "others", "login"), NOW + 20, True, NOW),
        (Entry(60, "others", "login"), NOW + 20, False, NOW + 20),
        # a corrected login never waits
        (Entry(60, "mappings", "wrong"), NOW + 20, False, NOW),
        # what an earlier release scheduled
        (None, NOW + 20, True, NOW + 20),
    ],
)
def test_when_a_task_is_due(before: Entry | None, due: float | None, at_once: bool, expected: float) -> None:
    assert next_due(TASK, before, due, NOW, at_once=at_once) == expected


@pytest.mark.parametrize(
    ("due", "expected"),
    [(NOW - 2, NOW + 58), (NOW - 59, NOW + 1), (NOW - 61, NOW + 60), (NOW - DAY, NOW + 60), (NOW + 5, NOW + 60)],
)
def test_the_beat_is_kept_unless_it_was_missed(due: float, expected: float) -> None:
    assert following(due, 60, NOW) == expected


@pytest.mark.parametrize("text", ["", "60 a", "x a b", "60 a b c"])
def test_what_is_no_entry_is_none(text: str) -> None:
    assert Entry.parse(text) is None
    assert Entry.parse(TASK.to_text()) == TASK
