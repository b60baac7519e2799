"""How many skopeo processes run at once."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path

import pytest

from tests.lab.clock import FakeClock
from workers.relays.skopeo import gate
from workers.relays.skopeo.cores import Cores, machine_time, usable_cores
from workers.relays.skopeo.gate import Gate, idle


@pytest.fixture
def few_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "LOOK", 0.02)


class IdleTime:
    """Of cores a part of which is idle all the time."""

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
    running, end, tasks = await _start(Gate(Cores(2, IdleTime(0.1))), 12, until=4)
    await asyncio.sleep(5 * gate.LOOK)
    assert running.now == 4
    end.set()
    await asyncio.gather(*tasks)
    assert (running.most, running.order) == (4, list(range(12)))


async def test_idle_cores_get_more(few_looks: None) -> None:
    running, end, tasks = await _start(Gate(Cores(2, IdleTime(0.5))), 12, until=12)
    end.set()
    await asyncio.gather(*tasks)
    assert running.most == 12


async def test_a_machine_that_does_not_tell_gets_no_more(few_looks: None) -> None:
    running, end, tasks = await _start(Gate(Cores(1, lambda: None)), 6, until=2)
    await asyncio.sleep(5 * gate.LOOK)
    assert running.now == 2
    end.set()
    await asyncio.gather(*tasks)


async def test_who_gives_up_waiting_leaves_no_trace(few_looks: None) -> None:
    entry = Gate(Cores(1, lambda: None))
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
    times = machine_time()
    assert times and 0 <= times[0] <= times[1]


V1 = {"cpu/cpu.cfs_period_us": "100000\n"}


@pytest.mark.parametrize(
    ("files", "number"),
    [
        ({"cpu.max": "50000 100000\n", "cpu.stat": "usage_usec 3000000\nuser_usec 1\n"}, 0.5),
        ({**V1, "cpu/cpu.cfs_quota_us": "50000\n", "cpuacct/cpuacct.usage": "3000000000\n"}, 0.5),
    ],
)
def test_a_container_gets_as_many_cores_as_its_limit_says(tmp_path: Path, files: dict[str, str], number: float) -> None:
    _write(tmp_path, files)
    clock = FakeClock()
    cores = usable_cores(tmp_path, clock)
    assert cores.number == number
    before = cores.times()
    clock.pause(10)
    assert before and (now := cores.times()) and idle(before, now) == 1, "it used nothing, whatever the machine does"
    clock.pause(4)
    for name, text in files.items():
        _write(tmp_path, {name: text.replace("3000000", "4000000")})
    assert (later := cores.times()) and idle(now, later) == 0.5, "a second of the two that it gets in four"


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000\n"},
        {"cpu.max": "9000000 100000\n"},
        {"cpu.max": "nonsense\n"},
        {"cpu.max": "50000 0\n"},
        {**V1, "cpu/cpu.cfs_quota_us": "-1\n"},
    ],
)
def test_without_a_limit_the_cores_of_the_machine_count(tmp_path: Path, files: dict[str, str]) -> None:
    _write(tmp_path, files)
    cores = usable_cores(tmp_path)
    assert (cores.number, cores.times) == (len(os.sched_getaffinity(0)), machine_time)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
