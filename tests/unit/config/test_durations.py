"""Go durations."""

from __future__ import annotations

import pytest

from dregsy_queue.config.durations import parse_go_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("300ms", 0.3), ("1.5h", 5400), ("1h30m", 5400), ("-1", -1e-9), ("60", 6e-8), ("2us", 2e-6), ("-1h", -3600)]
    + [("0", 0), ("1h0m1s", 3601), (".5s", 0.5), ("+5s", 5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_go_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "1d", "h", "1 h", "1h30", "abc", "--1h", "1.2.3s", "-", "-+5s", "9" * 400, "9" * 400 + "h"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_go_duration(text)
