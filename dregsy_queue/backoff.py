"""How long until the next attempt? One formula, for jobs, planning, requests, blobs and notifications.

A registry that refused is paused for all workers together; that pause is computed in Redis: ``ledger/lua/pause.lua``.
"""

from __future__ import annotations

import random

#: Longest wait before another attempt where the caller names no other, in seconds.
LONGEST = 60.0


def delay(
    first: float, attempt: int, asked: float | None = None, jitter: float | None = None, *, longest: float = LONGEST
) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): `first`, then twice as long each time, up to
    `longest`.

    `asked`: what the registry said (Retry-After), kept as a minimum. `jitter` in 0…1 is drawn when not given; the
    wait lies between half and one and a half of its nominal length, so that not all come back at once.
    """
    jitter = random.random() if jitter is None else jitter  # noqa: S311 - spreads load, guards nothing
    nominal = min(first * 2.0 ** min(attempt - 1, 32), longest)
    return max(nominal * (0.5 + jitter), asked or 0.0)
