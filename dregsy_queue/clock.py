"""A clock that can be handed in: a test hands in one of its own, and sees what is waited for without waiting."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""

    def time(self) -> float:
        """Unix time in seconds."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds; other coroutines go on."""

    def pause(self, seconds: float) -> None:
        """The same for a thread: it stands still."""


class SystemClock:
    """This machine's clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)


SYSTEM: Clock = SystemClock()
