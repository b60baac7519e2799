"""Go durations."""

from __future__ import annotations

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
#: Go counts nanoseconds in 64 bits: about 292 years.
_LONGEST = 2**63 * 1e-9
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")


def parse_go_duration(text: str) -> float:
    """Seconds; ``1h30m``, ``300ms``, ``-1.5h``. A bare number is nanoseconds, as dregsy reads it.

    Source: Go's time.ParseDuration. Raises: ValueError.
    """
    stripped = text.strip()
    sign, body = (stripped[0], stripped[1:]) if stripped[:1] in ("-", "+") else ("+", stripped)
    seconds, position = 0.0, 0
    if re.fullmatch(r"[0-9]+", body):
        seconds, position = float(body) * 1e-9, len(body)
    while position < len(body):
        match = _PART.match(body, position)
        if match is None:
            break
        seconds += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if not body or position < len(body):
        raise ValueError(f"'{text}' is not a duration; write for example 30m, 1h30m or 300ms")
    if seconds > _LONGEST:
        raise ValueError(f"'{text}' is too long a duration; the longest is {int(_LONGEST / 3600)}h")
    return -seconds if sign == "-" else seconds
