"""How long does a quota make a plan last?"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dregsy_queue.registry.quota import Quota


@dataclass(frozen=True)
class Estimate:
    """`pulls` that a registry will count, against what it says is left. `seconds` is None where that can never fit."""

    registry: str
    pulls: int
    transfers: int
    quota: Quota | None
    seconds: float | None


def estimate(
    registry: str,
    pulls: int,
    transfers: int,
    quota: Quota | None,
    *,
    reserve: int = 0,
    limit: tuple[int, float] | None = None,
) -> Estimate:
    """`reserve` pulls are left to others; `limit`: transfers per window (seconds) that the config allows.

    Assumes that each window begins now; a sliding one ends sooner.
    """
    by_limit = _windows(transfers, limit[0], limit[0]) * limit[1] if limit else 0.0
    if quota is None:
        return Estimate(registry, pulls, transfers, None, by_limit)
    usable = quota.limit - reserve
    if usable <= 0 and pulls:
        return Estimate(registry, pulls, transfers, quota, None)
    by_quota = _windows(pulls, max(0, quota.left - reserve), usable) * quota.window if pulls else 0.0
    return Estimate(registry, pulls, transfers, quota, max(by_limit, by_quota))


def _windows(wanted: int, now: int, each: int) -> int:
    """Whole windows to wait when `now` are free at once, and `each` in every window after."""
    return math.ceil(max(0, wanted - now) / each) if each else 0
