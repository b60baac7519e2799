"""How long a quota makes a plan last."""

from __future__ import annotations

import pytest

from dregsy_queue.planning.pulls import estimate
from dregsy_queue.registry.quota import Quota, parse_quota

_HOUR = 3600.0


@pytest.mark.parametrize(
    ("pulls", "quota", "reserve", "limit", "seconds"),
    [
        (3, None, 0, None, 0),
        (76, Quota(100, 6 * _HOUR, 76), 0, None, 0),
        (77, Quota(100, 6 * _HOUR, 76), 0, None, 6 * _HOUR),
        (76, Quota(100, 6 * _HOUR, 76), 10, None, 6 * _HOUR),
        (276, Quota(100, 6 * _HOUR, 76), 0, None, 12 * _HOUR),
        (277, Quota(100, 6 * _HOUR, 76), 0, None, 18 * _HOUR),
        (1, Quota(100, 6 * _HOUR, 76), 100, None, None),
        (0, Quota(100, 6 * _HOUR, 0), 100, None, 0),
        (250, Quota(1000, _HOUR, 900), 0, (100, _HOUR), 2 * _HOUR),
        (250, None, 0, (100, _HOUR), 2 * _HOUR),
    ],
)
def test_estimates(
    pulls: int, quota: Quota | None, reserve: int, limit: tuple[int, float] | None, seconds: float | None
) -> None:
    assert estimate("r", pulls, pulls, quota, reserve=reserve, limit=limit).seconds == seconds


def test_headers() -> None:
    assert parse_quota({"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"}) == Quota(100, 21600, 76)
    assert parse_quota({"ratelimit-remaining": "5"}) == Quota(5, 0, 5)
    assert parse_quota({"ratelimit-remaining": " 5 ; w=7.5"}) == Quota(5, 7.5, 5)


@pytest.mark.parametrize("value", ["many", "", "-1", "9" * 5000, "5.5", "٣"])
def test_what_is_no_quota(value: str) -> None:
    assert parse_quota({"ratelimit-remaining": value}) is None


@pytest.mark.parametrize("window", ["1.2.3", ".", "", "9" * 500, "-1", "nan"])
def test_a_window_that_is_none(window: str) -> None:
    assert parse_quota({"ratelimit-remaining": f"5;w={window}"}) == Quota(5, 0, 5)
