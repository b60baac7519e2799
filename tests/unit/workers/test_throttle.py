"""API requests under pauses, rates and quotas: what is asked of Redis, and what is waited for."""

from __future__ import annotations

from typing import Any

import pytest

from dregsy_queue.registry.errors import RegistryError
from tests.lab.clock import FakeClock
from workers.throttle import PATIENCE, QUOTA_EVERY, ClusterPacer


class Limiter:
    """Notes what it is asked; gives waits as they are told."""

    def __init__(self, waits: list[float] | None = None, *, free: bool = True) -> None:
        self.waits, self.free = waits or [], free
        self.asked: list[str] = []
        self.quotas: list[tuple[int, float, int]] = []

    def pause(self, registry: str, asked: float | None) -> tuple[float, bool]:
        self.asked.append("pause")
        return (asked or 1.0, True)

    def start_request(self, *_: Any) -> float:
        self.asked.append("start")
        return self.waits.pop(0) if self.waits else 0.0

    def end_request(self, registry: str, token: str, *, good: bool) -> None:
        self.asked.append("end" if good else "end badly")

    def claim_trial(self, registry: str) -> bool:
        self.asked.append("claim trial")
        return self.free

    def end_trial(self, registry: str) -> None:
        self.asked.append("end trial")

    def observe(self, registry: str, limit: int, window: float, left: int) -> None:
        self.quotas.append((limit, window, left))


def pacer(limiter: Limiter, clock: FakeClock, rate: tuple[int, float] | None = None) -> ClusterPacer:
    checked: Any = limiter
    return ClusterPacer(checked, checked, lambda _: rate, clock)


async def ask(pacer: ClusterPacer, status: int = 200, **headers: str) -> None:
    async with pacer.request("r.example") as observe:
        await observe(status, {name.replace("_", "-"): value for name, value in headers.items()})


async def test_without_limit_and_pause_redis_is_not_asked() -> None:
    limiter, clock = Limiter(), FakeClock()
    await ask(pacer(limiter, clock))
    assert limiter.asked == [] and clock.slept == []


async def test_a_rate_is_waited_for() -> None:
    limiter, clock = Limiter([0.5, 0.25]), FakeClock()
    await ask(pacer(limiter, clock, (10, 1.0)))
    assert clock.slept == [0.5, 0.25] and limiter.asked == ["start", "start", "start", "end"]


async def test_after_a_refusal_one_request_tries_when_the_pause_is_over() -> None:
    limiter, clock = Limiter(), FakeClock()
    asking = pacer(limiter, clock)
    await ask(asking, 429, Retry_After="3")
    await ask(asking)
    assert limiter.asked == ["pause", "claim trial", "end", "end trial"]
    assert sum(clock.slept) >= 3
    await ask(asking)
    assert limiter.asked[4:] == [], "the pause is over"


async def test_a_long_pause_is_not_waited_for() -> None:
    limiter, clock = Limiter(), FakeClock()
    asking = pacer(limiter, clock)
    asking.remember_pauses({"r.example": PATIENCE + 60})
    with pytest.raises(RegistryError) as caught:
        await ask(asking)
    assert (caught.value.kind, caught.value.retry_after) == ("rate-limited", PATIENCE + 60)
    assert clock.slept == [] and limiter.asked == []


async def test_a_refused_try_says_so() -> None:
    limiter, clock = Limiter(), FakeClock()
    asking = pacer(limiter, clock)
    asking.remember_pauses({"r.example": 0})
    await ask(asking, 429, Retry_After="2")
    assert limiter.asked == ["claim trial", "pause", "end badly", "end trial"]


async def test_quotas_are_told_when_they_fall_fast_or_seldom() -> None:
    limiter, clock = Limiter(), FakeClock()
    asking = pacer(limiter, clock)
    for left, later in ((90, 0.0), (90, 0.0), (89, 0.0), (95, 0.0), (95, QUOTA_EVERY)):
        clock.now += later
        await ask(asking, ratelimit_limit="100;w=21600", ratelimit_remaining=f"{left};w=21600")
    assert limiter.quotas == [(100, 21600, 90), (100, 21600, 89), (100, 21600, 95)]


@pytest.mark.parametrize("value", ["", "many", "-1", ";w=5"])
async def test_nonsense_about_quotas_is_no_quota(value: str) -> None:
    limiter = Limiter()
    await ask(pacer(limiter, FakeClock()), ratelimit_remaining=value)
    assert limiter.quotas == []
