"""What the environment sets, and what it may not."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from dregsy_queue.settings import Settings, SettingsError, from_environment, stale_after, where_to_say


def test_defaults_need_no_environment() -> None:
    found = from_environment({})
    assert (found.config, found.redis_url, found.run) == (Path("config.yaml"), "redis://127.0.0.1:6379/0", "")
    assert (found.keep_runs, found.max_attempts, found.backoff, found.stalled, found.keep_days) == (5, 6, 2, 600, 30)
    assert (found.grace, found.daemon_wait, found.alone) == (60, 290, False)


def test_an_empty_variable_is_none() -> None:
    names = [f"DREGSY_{field.name.upper()}" for field in fields(Settings)]
    assert from_environment(dict.fromkeys(names, "")) == from_environment({})


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("KEEP_RUNS", 1),
        ("MAX_ATTEMPTS", 1),
        ("BACKOFF", 0),
        ("STALLED", 1),
        ("GRACE", 0),
        ("DAEMON_WAIT", 0),
        ("KEEP_DAYS", 0),
    ],
)
def test_numbers_have_a_least_value(name: str, least: int) -> None:
    assert getattr(from_environment({f"DREGSY_{name}": str(least)}), name.lower()) == least
    for wrong in (str(least - 0.5), "nan", "inf", "-inf"):
        with pytest.raises(SettingsError, match=f"DREGSY_{name} is .*at least {least}"):
            from_environment({f"DREGSY_{name}": wrong})
    with pytest.raises(SettingsError, match=f"DREGSY_{name} is 'six'"):
        from_environment({f"DREGSY_{name}": "six"})


def test_history_is_bounded() -> None:
    assert from_environment({"DREGSY_KEEP_RUNS": "1000"}).keep_runs == 1000
    with pytest.raises(SettingsError, match="DREGSY_KEEP_RUNS is 1001; it must be at most 1000"):
        from_environment({"DREGSY_KEEP_RUNS": "1001"})


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match="DREGSY_REDIS_URL"):
        from_environment({"DREGSY_REDIS_URL": "http://127.0.0.1"})


def test_who_misses_a_config_hears_of_the_variable(tmp_path: Path) -> None:
    missing = tmp_path / "config.yaml"
    assert "DREGSY_CONFIG is not set" in where_to_say(missing, {})
    assert where_to_say(missing, {"DREGSY_CONFIG": str(missing)}) == "", "it was said"
    missing.touch()
    assert where_to_say(missing, {}) == "", "it is there, and wrong"


def test_seconds_after_which_a_mirror_is_stale() -> None:
    assert (stale_after({}), stale_after({"DREGSY_STALE_AFTER": "7200"})) == (3600, 7200)
    for wrong in ("1h", "-1", "nan", "inf"):
        with pytest.raises(SettingsError, match="DREGSY_STALE_AFTER"):
            stale_after({"DREGSY_STALE_AFTER": wrong})
