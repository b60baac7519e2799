"""Names of the Redis keys that Python reads; the package's docstring says what each holds."""

from __future__ import annotations

PREFIX = "dregsy:"


def key(*parts: str) -> str:
    return PREFIX + ":".join(parts)
