"""API requests under pauses, rates and quotas: what is asked of Redis, and what is waited for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dregsy_queue.ledger.levels import Figures, Level
from dregsy_queue.registry.errors import RegistryError
from tests.lab.clock import FakeClock
from workers.levels import LevelKeeper
from workers.throttle import PATIENCE, QUOTA_EVERY, ClusterPacer


class Limiter:
    """Notes what it is asked; gives waits as they are told."""

    def __init__(self, waits: list[float] | None = None, *, free: bool = True) -> None:
        self.waits, self.free = waits or [], free
        self.asked: list[str] = []
        self.quotas: list[tuple[int, float, int]] = []
        self.level = Level(1, None, None, 0.0, 2.0)
        self.told: list[tuple[Figures, bool]] = []

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

    def tell(self, registry: str, worker: str, figures: Figures, *, refused: bool = False) -> Level:
        self.told.append((figures, refused))
        return self.level

    def observe(self, registry: str, limit: int, window: float, left: int) -> None:
        self.quotas.append((limit, window, left))


def pacer(limiter: Limiter, clock: FakeClock, rate: tuple[int, float] | None = None) -> ClusterPacer:
    checked: Any = limiter
    return ClusterPacer(checked, checked, lambda _: rate, LevelKeeper(checked, clock), clock)


async def ask(pacer: ClusterPacer, status: int = 200, **headers: str) -> None:
    async with pacer.request("r.example") as observe:
        end = await observe(status, {name.replace("_", "-"): value for name, value in headers.items()})
    end()


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


async def test_what_is_sent_inside_another_request_waits_for_nobody() -> None:
    """A blob comes from a registry while it goes to one: who waits holds nothing, so somebody can always go on."""
    limiter = Limiter()
    limiter.level = Level(1, 4.0, 1, 0.0, 2.0)
    asking = pacer(limiter, FakeClock())
    for host in ("a.example", "b.example"):
        asking._levels.permits(host).hear(limiter.level)
    done = 0

    async def copy(source: str, target: str) -> None:
        nonlocal done
        async with asking.request(target) as put:
            await asyncio.sleep(0)
            async with asking.request(source) as get:
                await asyncio.sleep(0)
                got = await get(200, {})
            await asyncio.sleep(0)
            got()
            end = await put(201, {})
        end()
        done += 1

    pairs = [("a.example", "b.example"), ("b.example", "a.example"), ("a.example", "a.example")]
    await asyncio.wait_for(asyncio.gather(*(copy(*pair) for pair in pairs * 20)), 10)
    assert done == 60
    assert {asking._levels.permits(host).under_way for host in ("a.example", "b.example")} == {0}


async def test_two_permits_taken_together_keep_both_registries_at_their_levels() -> None:
    limiter = Limiter()
    limiter.level = Level(1, 8.0, 2, 0.0, 2.0)
    asking = pacer(limiter, FakeClock())
    permits = {host: asking._levels.permits(host) for host in ("a.example", "b.example")}
    for here in permits.values():
        here.hear(limiter.level)
    most = 0

    async def copy(source: str, target: str) -> None:
        nonlocal most
        async with asking.together([source, target]), asking.request(target) as put:
            await asyncio.sleep(0)
            async with asking.request(source) as get:
                most = max(most, *(here.under_way for here in permits.values()))
                await asyncio.sleep(0)
                got = await get(200, {})
            got()
            end = await put(201, {})
            end()

    pairs = [("a.example", "b.example"), ("b.example", "a.example"), ("a.example", "a.example")]
    await asyncio.wait_for(asyncio.gather(*(copy(*pair) for pair in pairs * 20)), 10)
    assert most == 2
    assert {here.under_way for here in permits.values()} == {0}


async def test_the_refusal_that_begins_a_pause_is_told_once() -> None:
    limiter = Limiter()
    asking = pacer(limiter, FakeClock())
    await ask(asking, 429, Retry_After="3")
    assert [refused for _, refused in limiter.told].count(True) == 1


async def test_failures_and_answers_are_told_apart() -> None:
    limiter, clock = Limiter(), FakeClock()
    asking = pacer(limiter, clock)
    await ask(asking, 200)
    await ask(asking, 503)
    await ask(asking, 429, Retry_After="1")
    with pytest.raises(RegistryError):
        async with asking.request("r.example", "GET"):
            raise RegistryError("gone", kind="unavailable", temporary=True, registry="r.example")
    figures = asking._levels.permits("r.example").figures()
    told = [figures, *(figures for figures, _ in limiter.told)]
    assert (sum(one.answers for one in told), sum(one.failures for one in told)) == (3, 2)
