"""How is a secret kept out of texts?

Free text of relays, servers and exceptions goes through `scrub`. Names of tasks, registries and images are no secrets
and are never cut, even where a password happens to be a word in one: a name with a hole would tell the password.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

#: Shorter secrets are not hidden: they occur everywhere by chance.
SHORTEST = 4

_hidden: set[str] = set()
_names: set[str] = set()

#: A secret that could be part of an image's name (OCI distribution specification, "Pulling manifests").
_COULD_BE_NAME = re.compile(r"[a-z0-9._-]{1,23}")
#: Where secrets stand that were never passed to `hide`: a URL's user information (RFC 3986, section 3.2.1), an
#: ``Authorization`` header, the query of a signed URL, as storage behind registries hands out.
_TELLING = (
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
    re.compile(r"(\bauthorization:\s*\w+\s+)[^\s,;\"']+", re.IGNORECASE),
    re.compile(
        r"([?&](?:x-(?:amz|goog)-(?:signature|credential|security-token)|signature|sig|token|access_token|refresh_token"
        r"|password|secret)=)[^&\s\"']+",
        re.IGNORECASE,
    ),
)
#: What a reference or a URL's path is made of.
_WORD = re.compile(r"[^\s\"'<>,;()\[\]{}|`=?&]+")


def hide(secret: str, username: str = "") -> None:
    """Never let `secret` stand in a text, nor the forms in which it travels: quoted in JSON and in URLs, and in
    base64, alone and with `username`, as in an ``Authorization`` header or a config's ``auth``."""
    forms = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")}
    for coded in (base64.b64encode(secret.encode()), base64.urlsafe_b64encode(secret.encode())):
        forms |= {coded.decode(), coded.decode().rstrip("=")}
    if username:
        value = {"username": username, "password": secret}
        for login in (f"{username}:{secret}", json.dumps(value), json.dumps(value, separators=(",", ":"))):
            forms |= {base64.b64encode(login.encode()).decode(), base64.urlsafe_b64encode(login.encode()).decode()}
        forms |= {form.rstrip("=") for form in forms if form.endswith("=") and form != secret}
    _hidden.update(form for form in forms if len(form) >= SHORTEST)


def know(names: Iterable[str]) -> None:
    """These are names of tasks and registries, which no secret cuts."""
    _names.update(names)


def scrub(text: str) -> str:
    """`text` with every hidden secret replaced, except inside names, and what stands where secrets usually stand."""
    for secret in sorted(_hidden, key=len, reverse=True):
        if secret in text:
            text = _replace(text, secret)
    for pattern in _TELLING:
        text = pattern.sub(r"\1***", text)
    return text


def _replace(text: str, secret: str) -> str:
    if not _COULD_BE_NAME.fullmatch(secret):
        return text.replace(secret, "***")
    kept = [match.span() for match in _WORD.finditer(text) if "/" in match[0]]
    pieces, done = [], 0
    while (start := text.find(secret, done)) >= 0:
        end = start + len(secret)
        keep = _in_known_name(text, secret, start) or any(
            first <= start and end <= last and _in_path(text[first:last], start - first, end - first)
            for first, last in kept
        )
        pieces += [text[done:start], secret if keep else "***"]
        done = end
    return "".join([*pieces, text[done:]])


def _in_path(word: str, start: int, end: int) -> bool:
    """Whether this part of a word with a slash is a name: in the path of a URL, or anywhere in a reference but for
    what stands before an ``@host``."""
    scheme = word.find("://")
    if scheme >= 0:
        return 0 <= word.find("/", scheme + 3) < start
    return not (word[end:].startswith("@") and not word[end:].startswith("@sha"))


def _in_known_name(text: str, secret: str, start: int) -> bool:
    for name in _names:
        if secret == name:
            continue
        offset = name.find(secret)
        while offset >= 0:
            if text.startswith(name, start - offset) and start >= offset:
                return True
            offset = name.find(secret, offset + 1)
    return False
