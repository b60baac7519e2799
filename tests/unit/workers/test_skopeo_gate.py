"""How many skopeo processes run at once."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from workers.relays.skopeo import gate
from workers.relays.skopeo.gate import Gate, core_time, idle


@pytest.fixture
def few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "LOOK", 0.02)


class Cores:
    """Two cores of which a part is idle all the time."""

    def __init__(self, idle_part: float) -> None:
        self._idle_part, self._looks = idle_part, itertools.count()

    def __call__(self) -> tuple[float, float]:
        whole = 100.0 * next(self._looks)
        return whole * self._idle_part, whole


class Running:
    def __init__(self) -> None:
        self.now = self.most = 0
        self.order: list[int] = []

    async def one(self, entry: Gate, number: int, end: asyncio.Event) -> None:
        async with entry.process():
            self.order.append(number)
            self.now += 1
            self.most = max(self.most, self.now)
            await end.wait()
            self.now -= 1


async def _start(entry: Gate, number: int, until: int) -> tuple[Running, asyncio.Event, list[asyncio.Task[None]]]:
    running, end = Running(), asyncio.Event()
    tasks = [asyncio.create_task(running.one(entry, n, end)) for n in range(number)]
    async with asyncio.timeout(30):
        while running.now < until:
            await asyncio.sleep(0.01)
    return running, end, tasks


async def test_busy_cores_get_no_more_processes_than_they_can_feed(few_looks: None) -> None:
    running, end, tasks = await _start(Gate(2, Cores(0.1)), 12, until=4)
    await asyncio.sleep(5 * gate.LOOK)
    assert running.now == 4
    end.set()
    await asyncio.gather(*tasks)
    assert (running.most, running.order) == (4, list(range(12)))


async def test_idle_cores_get_more(few_looks: None) -> None:
    running, end, tasks = await _start(Gate(2, Cores(0.5)), 12, until=12)
    end.set()
    await asyncio.gather(*tasks)
    assert running.most == 12


async def test_a_machine_that_does_not_tell_gets_no_more(few_looks: None) -> None:
    running, end, tasks = await _start(Gate(1, lambda: None), 6, until=2)
    await asyncio.sleep(5 * gate.LOOK)
    assert running.now == 2
    end.set()
    await asyncio.gather(*tasks)


async def test_who_gives_up_waiting_leaves_no_trace(few_looks: None) -> None:
    entry = Gate(1, lambda: None)
    _, end, tasks = await _start(entry, 4, until=2)
    tasks[2].cancel()
    end.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    after, end, tasks = await _start(entry, 2, until=2)
    end.set()
    await asyncio.gather(*tasks)
    assert after.most == 2


def test_idle_part() -> None:
    assert idle((10, 100), (30, 200)) == 0.2
    assert idle((10, 100), (10, 100)) == 0, "no time has passed: nothing is known to be idle"


def test_this_machine_tells() -> None:
    times = core_time()
    assert times and 0 <= times[0] <= times[1]
