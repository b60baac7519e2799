"""What to do about a failure, by its text."""

from __future__ import annotations

import re

_ADVICE = (
    (
        r"HTTP 401|login|refused .*user|unauthorized|authentication required",
        "check this registry's `auth` in the config",
    ),
    (r"HTTP 403|denied|forbidden", "give the user the right to read the source and to write the target"),
    (r"certificate|tls|x509", "set `ca` under `registries` for this host, or `skip-tls-verify`"),
    (r"does not speak HTTPS", "set `skip-tls-verify` if it is meant to speak plain HTTP"),
    (r"429|too many requests|rate|quota", "set limits for it under `registries`; waiting jobs continue by themselves"),
    (r"cannot be reached|connection|timed? ?out|no answer|HTTP 5\d\d", "see that the registry is up and reachable"),
    (r"does not exist|HTTP 404|not found|unknown", "see whether the source has it, and how the mapping spells it"),
    (r"somebody else write", "let nobody else write to this target"),
    (r"no space|disk", "make room where the relay or the registry keeps its data"),
    (r"skopeo|daemon|docker", "see that the relay works where workers run, or set another `relay`"),
)

#: Characters of an error that are looked at.
_LOOKED_AT = 2_000


def advice(error: str) -> str:
    """One thing to try; empty when nothing is known about such an error."""
    error = error[:_LOOKED_AT]
    return next((text for pattern, text in _ADVICE if re.search(pattern, error, re.IGNORECASE)), "")
