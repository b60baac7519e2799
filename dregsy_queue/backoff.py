"""How long a job waits before it is tried again."""

from __future__ import annotations

import random

#: Longest wait before another attempt, in seconds.
LONGEST = 60.0


def delay(first: float, attempt: int, asked: float | None = None, jitter: float | None = None) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): `first`, then twice as long each time.

    `asked`: what the registry said (Retry-After), kept as a minimum. `jitter` in 0…1 is drawn when not given; the
    wait lies between half and one and a half of its nominal length, so that many jobs do not return at once.
    """
    jitter = random.random() if jitter is None else jitter  # noqa: S311 - spreads load, guards nothing
    nominal = min(first * 2.0 ** min(attempt - 1, 32), LONGEST)
    return max(nominal * (0.5 + jitter), asked or 0.0)
