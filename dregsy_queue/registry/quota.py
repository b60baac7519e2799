"""What does a registry itself say about pulls that are left?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: ``100;w=21600`` (Docker Hub; IETF draft "RateLimit header fields"); longer numbers than these mean nothing.
_VALUE = re.compile(r"\s*([0-9]{1,9})(?![0-9.])")
_WINDOW = re.compile(r";\s*w=([0-9]{1,9}(?:\.[0-9]{1,9})?)(?![0-9.])", re.IGNORECASE)
#: Longest window that is believed, in seconds.
LONGEST_WINDOW = 31 * 86400.0
#: Characters of such a header that are read.
_LONGEST = 200


@dataclass(frozen=True)
class Quota:
    """`left` of `limit` pulls per `window` seconds; a window of 0: it does not say. All are below 10⁹."""

    limit: int
    window: float
    left: int


def parse_quota(headers: Mapping[str, str]) -> Quota | None:
    """None where a registry does not say, or in a form that is not understood."""
    if "ratelimit-remaining" not in headers:
        return None
    said, of = (headers.get(f"ratelimit-{name}", "")[:_LONGEST] for name in ("remaining", "limit"))
    left, limit = _VALUE.match(said), _VALUE.match(of)
    if left is None:
        return None
    window = _WINDOW.search(of) or _WINDOW.search(said)
    seconds = float(window[1]) if window else 0.0
    return Quota(int((limit or left)[1]), seconds if seconds <= LONGEST_WINDOW else 0.0, int(left[1]))
