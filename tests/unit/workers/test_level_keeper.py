"""Who keeps a registry at its level goes on, whatever happens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dregsy_queue.ledger.levels import Level, Levels
from workers import levels
from workers.levels import LevelKeeper


class _Odd(Levels):
    """Its first answer cannot be read."""

    def __init__(self) -> None:
        self.calls = 0

    def tell(self, *_: Any, **__: Any) -> Level:
        self.calls += 1
        if self.calls == 1:
            raise ValueError("no number")
        return Level(self.calls, 8.0, 8, 0.0, 0.01)


async def test_an_answer_that_cannot_be_read_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "_AGAIN", 0.01)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    told = _Odd()
    permits = LevelKeeper(told).permits("r.example")
    await permits.take()
    async with asyncio.timeout(10):
        while permits.limit != 8:
            await asyncio.sleep(0.01)
    permits.leave()
