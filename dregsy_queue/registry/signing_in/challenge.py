"""What a registry wants before it answers: WWW-Authenticate (RFC 9110 §11.6.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SCHEME = re.compile(r"\s*([A-Za-z]+)(?:\s+|$)")
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True)
class Challenge:
    """`scheme` is ``basic`` or ``bearer``; the rest is empty where the registry does not say."""

    scheme: str
    realm: str = ""
    service: str = ""


def parse_challenges(headers: Sequence[str]) -> Challenge | None:
    """The challenge to answer: Bearer before Basic; None when there is none that we know."""
    found: dict[str, Challenge] = {}
    for header in headers:
        match = _SCHEME.match(header)
        if not match:
            continue
        scheme, position = match[1].lower(), match.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, position):
            quoted, plain = parameter[2], parameter[3]
            parameters[parameter[1].lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            position = parameter.end()
        found.setdefault(scheme, Challenge(scheme, parameters.get("realm", ""), parameters.get("service", "")))
    return found.get("bearer") or found.get("basic")
