"""What does a registry itself say about pulls that are left?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: ``100;w=21600`` (Docker Hub; IETF draft "RateLimit header fields")
_VALUE = re.compile(r"\s*([0-9]+)(?:.*?\bw=([0-9.]+))?")


@dataclass(frozen=True)
class Quota:
    """`left` of `limit` pulls per `window` seconds; a window of 0: it does not say."""

    limit: int
    window: float
    left: int


def parse_quota(headers: Mapping[str, str]) -> Quota | None:
    left = _VALUE.match(headers.get("ratelimit-remaining", ""))
    if left is None:
        return None
    limit = _VALUE.match(headers.get("ratelimit-limit", ""))
    window = float((limit and limit[2]) or left[2] or 0)
    return Quota(int(limit[1]) if limit else int(left[1]), window, int(left[1]))
