"""How long a job waits before it is tried again."""

from __future__ import annotations

import random

#: Seconds before the second attempt; each further one waits twice as long, up to LONGEST.
FIRST, LONGEST = 2.0, 300.0


def delay(attempt: int, asked: float | None = None, jitter: float | None = None) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1).

    `asked`: what the registry said (Retry-After), kept as a minimum. `jitter` in 0…1 is drawn when not given; the
    wait lies between half and one and a half of its nominal length, so that many jobs do not return at once.
    """
    jitter = random.random() if jitter is None else jitter  # noqa: S311 - spreads load, guards nothing
    nominal = min(FIRST * 2.0 ** min(attempt - 1, 32), LONGEST)
    return max(nominal * (0.5 + jitter), asked or 0.0)
