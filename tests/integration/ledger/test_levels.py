"""How a registry's level is found: the script decides, a simple registry answers, and Redis' clock is the test's."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis import ResponseError

from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.levels import Figures, Level, Levels, transfers_at
from dregsy_queue.ledger.registry_limits import Limits, RegistryLimiter
from dregsy_queue.ledger.scripts import Scripts

from .conftest import Clock, Ledger, image

HOST = "r.example"
#: seconds that an answer takes where little is under way
BASE = 0.1
#: a registry: requests under way → how it answers
Registry = Callable[[float], "Answered"]


@dataclass(frozen=True)
class Answered:
    #: seconds until a good answer
    seconds: float
    #: of the requests under way, those that will be answered well
    good: float
    #: how often in a second each of the others is refused
    refusals: float = 0.0


def linear(best: float) -> Registry:
    """Answers so many at once; the others wait in line."""
    return lambda n: Answered(BASE * max(1.0, n / best), n)


def steep(best: float) -> Registry:
    """Beyond `best` it does less than before."""
    return lambda n: Answered(BASE * max(1.0, n / best) ** 2, n)


def failing(best: float) -> Registry:
    """Answers so many at once, and 503 to all others at once."""
    return lambda n: Answered(BASE, min(n, best), 3.0)


def refusing(best: float) -> Registry:
    """Answers so many at once, and refuses all others."""
    return lambda n: Answered(BASE, min(n, best))


def unreliable(share: float) -> Registry:
    """Fails now and then, however many requests there are."""
    return lambda n: Answered(BASE, n * (1 - share), 10.0)


@dataclass
class Fleet:
    """Workers that would have `demand` requests under way together; all time passes in `run`."""

    levels: Levels
    clock: Clock
    registry: Registry
    demand: float = 200
    workers: int = 4
    noise: float = 0.03
    kind: str = "POST blobs/uploads"
    #: (seconds since the start, requests under way, level)
    seen: list[tuple[float, float, float | None]] = field(default_factory=list)
    heard: dict[int, tuple[Level, float]] = field(default_factory=dict)
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.clock.now
        self.random = random.Random(7)

    def part(self, worker: int) -> float:
        wanted = self.demand / self.workers
        share = self.heard[worker][0].share if worker in self.heard else None
        return wanted if share is None else min(wanted, share)

    def tell(self, worker: int, seconds: float, *, refused: bool = False) -> None:
        together = sum(map(self.part, range(self.workers)))
        answered = self.registry(together)
        mine = self.part(worker) / together if together else 0.0
        latency = answered.seconds * self.random.uniform(1 - self.noise, 1 + self.noise)
        good = round(answered.good * mine / latency * seconds)
        bad = round((together - answered.good) * mine * answered.refusals * seconds)
        known, at = self.heard.get(worker, (None, 0.0))
        epoch = known.epoch if known else 0
        counts = known is None or self.clock.now - seconds >= at + known.counts_after - 1e-6
        figures = Figures(
            epoch,
            seconds,
            self.part(worker),
            self.demand / self.workers,
            good + bad,
            bad,
            good * latency,
            good,
            {self.kind: (good, good * latency)},
        )
        told = self.levels.tell(HOST, f"w{worker}", figures if counts else Figures(epoch), refused=refused)
        self.heard[worker] = (told, self.clock.now)

    def refuse(self, ledger: Ledger) -> int:
        """Every worker meets a 429, twice; all wait for the pause's end. Returns how many refusals shrank the level."""
        limiter, shrunk = RegistryLimiter(ledger.redis), 0
        for worker in (*range(self.workers), *range(self.workers)):
            seconds, new = limiter.pause(HOST, None)
            if new:
                self.tell(worker, 0.5, refused=True)
                shrunk += 1
        self.clock.let_pass(seconds + 0.1)
        # A request and a transfer have come through.
        ledger.redis.delete(key("pause", HOST))
        return shrunk

    def run(self, seconds: float) -> list[float]:
        """Returns how many requests were under way, second by second."""
        counts = []
        for _ in range(round(seconds)):
            self.clock.let_pass(1)
            for worker in range(self.workers):
                self.tell(worker, 1.0)
            counts.append(sum(map(self.part, range(self.workers))))
            self.seen.append((self.clock.now - self.began, counts[-1], self.heard[0][0].level))
        return counts


def assert_served_at_the_best_number(served: list[float]) -> None:
    """Of 8; a dip that tries fewer, some seconds long, may be at 5."""
    assert all(5 <= number <= 10 for number in served), served
    assert sum(number < 6 for number in served) <= len(served) / 10, served


@pytest.fixture
def levels(ledger: Ledger) -> Levels:
    return Levels(ledger.redis)


@pytest.mark.parametrize("kind", [linear, steep, failing])
@pytest.mark.parametrize("demand", [24, 256])
def test_the_best_number_is_found_within_a_minute_and_kept(
    levels: Levels, clock: Clock, kind: Callable[[float], Registry], demand: float
) -> None:
    fleet = Fleet(levels, clock, kind(8), demand)
    fleet.run(60)
    assert_served_at_the_best_number(fleet.run(120))


def test_a_dip_tells_although_other_things_are_asked_for_in_it(levels: Levels, clock: Clock) -> None:
    """With fewer requests under way, transfers come to their manifests."""
    fleet = Fleet(levels, clock, steep(8), demand=100)
    while fleet.heard.get(0, (Level(0, None, None, 0, 0), 0.0))[0].level is None:
        fleet.run(1)
    fleet.kind = "PUT manifests"
    fleet.run(60)
    assert all(level is not None for _, _, level in fleet.seen[-60:])
    assert_served_at_the_best_number(fleet.run(60))


@pytest.mark.parametrize("kind", [linear, steep, failing])
def test_a_lifted_limit_is_found_out_within_two_minutes(
    levels: Levels, clock: Clock, kind: Callable[[float], Registry]
) -> None:
    fleet = Fleet(levels, clock, kind(8))
    fleet.run(100)
    fleet.registry = kind(40)
    assert max(fleet.run(120)) >= 32
    assert 32 <= sum(fleet.run(60)) / 60 <= 48


@pytest.mark.parametrize("registry", [linear(1000), unreliable(0.1)])
def test_nothing_holds_back_what_more_requests_do_not_slow_down(
    levels: Levels, clock: Clock, registry: Registry
) -> None:
    """Far away, or failing now and then: at most a short dip, seldom."""
    fleet = Fleet(levels, clock, registry, demand=60)
    served = fleet.run(600)
    assert sum(served) / len(served) >= 0.95 * 60


def test_a_clock_that_is_set_back_keeps_the_level_and_what_is_to_come(
    ledger: Ledger, levels: Levels, clock: Clock
) -> None:
    fleet = Fleet(levels, clock, linear(8))
    levels.tell(HOST, "gone", Figures(0, 1, 1, 1))
    fleet.run(100)
    levels.tell(HOST, "gone", Figures(0, 1, 1, 1))
    clock.let_pass(-3600)
    for worker, (told, at) in fleet.heard.items():
        fleet.heard[worker] = told, at - 3600
    # It may be growing or dipping just then; without a level all that is wanted would be under way.
    assert all(4 <= served <= 16 for served in fleet.run(20))
    assert sorted(ledger.redis.hgetall(key("level", HOST, "workers"))) == ["w0", "w1", "w2", "w3"]
    fleet.registry = linear(40)
    assert max(fleet.run(120)) >= 32, "it goes on looking for more"


def test_short_work_is_never_held_back(levels: Levels, clock: Clock) -> None:
    fleet = Fleet(levels, clock, linear(8))
    assert fleet.run(5) == [fleet.demand] * 5


def test_a_registry_that_became_slower_for_good_is_not_throttled_for_ever(levels: Levels, clock: Clock) -> None:
    fleet = Fleet(levels, clock, linear(8))
    fleet.run(60)
    fleet.registry = lambda number: Answered(3 * BASE * max(1.0, number / 8), number)
    fleet.run(60)
    served = fleet.run(60)
    assert 6 <= sum(served) / len(served) <= 10


def test_shares_together_are_the_level_and_go_to_those_who_use_them(levels: Levels, clock: Clock) -> None:
    fleet = Fleet(levels, clock, linear(8))
    fleet.run(60)
    for wanted, idle in (([50.0] * 4, 0), ([0.5, 0.5, 50.0, 50.0], 2)):
        for _ in range(9):
            clock.let_pass(1)
            told = [levels.tell(HOST, f"w{n}", Figures(fleet.heard[n][0].epoch, 1, 1, wanted[n])) for n in range(4)]
        shares = [one.share or 0 for one in told]
        assert told[0].level and sum(shares) == transfers_at(told[0].level)
        assert shares[:idle] == [1] * idle
        assert max(shares[idle:]) - min(shares[idle:]) <= 1


def test_transfers_are_admitted_up_to_the_level(levels: Levels, clock: Clock, ledger: Ledger) -> None:
    ledger.worker(slots=100)
    ledger.planned(image(number) for number in range(50))
    client: Any = ledger.redis
    client.hset(key("level", "dst.example"), "level", "7.60")
    assert len(ledger.admission.admit()) == 8
    RegistryLimiter(ledger.redis).configure("dst.example", Limits(max_concurrent=12))
    assert ledger.admission.admit() == [], "the lower one counts"
    ledger.redis.delete(key("level", "dst.example"))
    assert len(ledger.admission.admit()) == 4, "what Redis does not know does not hold back"


def test_a_level_is_forgotten_a_day_later_and_survives_nonsense(levels: Levels, clock: Clock, ledger: Ledger) -> None:
    fleet = Fleet(levels, clock, linear(8))
    fleet.run(30)
    client: Any = ledger.redis
    names = [key("level", HOST), key("level", HOST, "workers")]
    assert all(0 < client.ttl(name) <= 86400 for name in names)
    client.hset(names[0], "state", "[1, 2")
    client.hset(names[1], "w0", "?")
    fleet.run(60)
    assert fleet.heard[0][0].level


@pytest.mark.parametrize("position", [2, 4, 5, 6, 7, 8, 9, 10, 12, 13])
def test_figures_that_are_no_numbers_change_nothing(ledger: Ledger, position: int) -> None:
    arguments: list[str | float] = [HOST, "w0", 0, 0, 1, 1, 1, 10, 0, 1, 10, "GET", 10, 1]
    arguments[position] = "many"
    with pytest.raises(ResponseError, match="not a number"):
        Scripts(ledger.redis).run("level", *arguments)
    assert ledger.redis.hgetall(key("level", HOST)) == {}


def test_a_level_shrinks_once_a_pause_and_tries_more_again_after_a_minute(
    levels: Levels, clock: Clock, ledger: Ledger
) -> None:
    fleet = Fleet(levels, clock, refusing(8), demand=64)
    pauses: list[float] = []
    under_way: list[float] = []
    while clock.now < fleet.began + 300:
        (number,) = fleet.run(1)
        if number > 8:
            pauses.append(clock.now - fleet.began)
            before = fleet.seen[-1][2]
            shrunk = fleet.refuse(ledger)
            assert shrunk <= 1, "eight refusals, at most one shrink"
            fleet.run(1)
            now = fleet.seen[-1][2]
            assert now and (before is None or shrunk == (now < before))
        elif clock.now > fleet.began + 60:
            under_way.append(number)
    assert all(number >= 6 for number in under_way)
    assert len(pauses) <= 8, pauses
    fleet.registry = linear(40)
    fleet.run(120)
    assert max(number for _, number, _ in fleet.seen[-60:]) >= 32, "it was lifted"
