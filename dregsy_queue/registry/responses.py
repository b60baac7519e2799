"""What a registry's answer means: typed errors from status codes and error bodies."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from dregsy_queue.registry.errors import Kind, RegistryError

#: Status codes after which the same request may succeed later.
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
#: Longest piece of a registry's own words in a message, in characters.
_LONGEST = 300


@dataclass(frozen=True)
class Answer:
    """A whole answer; header names are matched whatever their case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    #: where it came from, for relative links
    url: str


def error(answer: Answer, registry: str, what: str, user: str | None = None) -> RegistryError:
    """The error that an answer other than success stands for; `what` was asked for."""
    said = _said(answer.body)
    status = answer.status
    kind: Kind = "invalid"
    if status == 401:
        kind = "auth"
        text = f"login of user '{user}' is refused" if user else "it wants a login, or there is no such repository"
    elif status == 403:
        kind, text = "denied", f"access is denied{f' to user {user!r}' if user else ''}"
    elif status == 404:
        kind, text = "not-found", "there is no such repository or image"
    elif status == 429:
        kind, text = "rate-limited", "it answers too many requests"
    elif status in TEMPORARY:
        kind, text = "unavailable", "it does not work at the moment"
    else:
        text = "it gave an answer that is not understood"
    message = f"{registry}: {what}: {text} (HTTP {status}{': ' + said if said else ''})"
    return RegistryError(
        message,
        kind=kind,
        temporary=status in TEMPORARY,
        registry=registry,
        retry_after=retry_after(answer.headers.get("Retry-After")),
    )


def retry_after(value: str | None) -> float | None:
    """Seconds from now that a Retry-After header asks for: a number or a date (RFC 9110 §10.2.3)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _said(body: bytes) -> str:
    """The registry's own message (OCI distribution-spec, "Error Codes"), in one printable line."""
    try:
        first = json.loads(body)["errors"][0]
        text = str(first.get("message") or first.get("code") or "")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return ""
    text = "".join(char if char.isprintable() else " " for char in text)[:_LONGEST]
    return " ".join(text.split())
