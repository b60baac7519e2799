"""What a registry's answer means: typed errors from status codes and error bodies."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from dregsy_queue.registry.errors import Kind, RegistryError
from dregsy_queue.registry.go_json import member

#: Status codes after which the same request may succeed later.
TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
#: Longest wait that a registry may ask for, in seconds; then it is asked again.
LONGEST_WAIT = 900.0
#: A number of seconds beyond this one is a time, not a wait.
_EPOCH = 1e9
#: What an answer means that will be the same next time.
_REFUSALS = {
    400: "it refuses what was sent",
    402: "it wants to be paid first",
    405: "it does not allow that; it may be read-only",
    407: "the proxy before it wants a login",
    409: "it refuses to change what is there",
    412: "it refuses to change what is there; the tag may be immutable",
    413: "it, or a proxy before it, takes nothing as big as that",
    415: "it takes no images of this kind",
    422: "it refuses what was sent",
    451: "it refuses this image",
    501: "it cannot do that",
}
#: OCI distribution-spec, "Error Codes": some registries and proxies say it with another status than 429.
_TOO_MANY = b'"TOOMANYREQUESTS"'
#: Where words are in an error document: OCI's, OAuth's, problem details (RFC 9457), and those of other servers.
_WORDS = (
    *("errors", "message", "error_description", "error", "detail", "details", "description", "reason", "msg"),
    *("errorMessage", "title", "code"),
)
_NUMBER = re.compile(r"[0-9]{1,18}")
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)
#: What storage services say (S3's error responses).
_CODE = re.compile(r"<Code>([^<]*)</Code>")
#: Longest piece of a registry's own words in a message, in characters.
_LONGEST = 300
#: Longest document in which words are looked for, in bytes.
_LONGEST_DOCUMENT = 256 * 1024


@dataclass(frozen=True)
class Answer:
    """A whole answer; header names are matched whatever their case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    #: where it came from, for relative links
    url: str


def error(
    answer: Answer, registry: str, what: str, user: str | None = None, *, accepted: bool = False
) -> RegistryError:
    """The error that an answer other than success stands for; `what` was asked for.

    `accepted`: the login itself is good, so a 401 is about rights.
    """
    status = answer.status
    kind: Kind = "invalid"
    if status == 429 or (status in (400, 403) and _TOO_MANY in answer.body.upper()):
        kind, text = "rate-limited", "it answers too many requests"
    elif status == 403 or (status == 401 and accepted):
        kind, text = "denied", f"access is denied{f' to user {user!r}' if user else ''}"
    elif status == 401:
        kind = "auth"
        text = f"login of user '{user}' is refused" if user else "it requires a login, or there is no such repository"
    elif status == 404:
        kind, text = "not-found", "there is no such repository or image"
    elif status in TEMPORARY:
        kind, text = "unavailable", "it does not work at the moment"
    else:
        text = _REFUSALS.get(status, "it gave an answer that is not understood")
    message = f"{registry}: {what}: {text} (HTTP {status}{quoted(answer.body)})"
    return RegistryError(
        message,
        kind=kind,
        temporary=status in TEMPORARY or kind == "rate-limited",
        registry=registry,
        retry_after=retry_after(answer.headers.get("Retry-After")),
    )


def is_page(answer: Answer) -> bool:
    """Whether this is a web page, as proxies show to who has to sign in, or while a registry is away."""
    return answer.body.lstrip()[:1] == b"<"


def number(text: str) -> int | None:
    """A whole number of a header or document; None for what is none, or so long that nobody can mean it."""
    return int(text) if _NUMBER.fullmatch(text) else None


def retry_after(value: str | None) -> float | None:
    """Seconds from now that a Retry-After header asks for: a number or a date (RFC 9110 §10.2.3), 0 to 15 minutes.

    Some registries send the time itself, in seconds since 1970. Whatever is said, the registry is asked again after
    15 minutes; None: nothing that can be understood.
    """
    if not value:
        return None
    try:
        seconds = float(value)
        if seconds > _EPOCH:
            seconds -= time.time()
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(0.0, seconds), LONGEST_WAIT)


def quoted(body: bytes) -> str:
    """`words_of` behind a colon, as the end of an error; '' where there are none."""
    said = words_of(body)
    return f": {said}" if said else ""


def words_of(body: bytes) -> str:
    """The server's own words in one printable line: those of an OCI error ("Error Codes"), of ``{"error": …}`` or
    ``{"message": …}`` as other servers send them, a line of plain text, or what a web page is called; '' for what is
    none of these."""
    try:
        text = _words(json.loads(body)) if len(body) <= _LONGEST_DOCUMENT else ""
    except (ValueError, RecursionError):
        plain = body[: 4 * _LONGEST].decode(errors="replace").strip()
        title, code = _TITLE.search(plain), _CODE.search(plain)
        if plain.startswith(("<?xml", "<Error>")) and code:
            text = code[1]
        elif plain.startswith("<"):
            text = f"a web page: {title[1]}" if title and title[1].strip() else "a web page"
        else:
            text = "" if plain.startswith(("{", "[")) else plain
    text = "".join(char if char.isprintable() else " " for char in text[: 4 * _LONGEST])
    return " ".join(text.split())[:_LONGEST]


def _words(document: object) -> str:
    """The words of an error document."""
    if isinstance(document, str):
        return document
    if isinstance(document, list):
        return _words(document[0]) if document else ""
    if isinstance(document, dict):
        for name in _WORDS:
            if (value := member(document, name)) and (text := _words(value)):
                return text
    return ""
