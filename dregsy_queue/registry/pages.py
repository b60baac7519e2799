"""Pagination: lists that a registry gives in pages, followed by `Link` to their end."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin, urlsplit, urlunsplit

from dregsy_queue.registry import responses
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.transport import Transport

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_NEXT = re.compile(r"""(?:^|;)\s*rel\s*=\s*["']?\s*next\b""", re.IGNORECASE)
#: Most names taken from one list.
MOST_NAMES = 1_000_000
#: Most pages read of one list: some may be empty.
MOST_PAGES = 20_000


async def pages(transport: Transport, path: str, key: str, *, scope: str, what: str) -> AsyncIterator[list[str]]:
    """The names under `key` of each page. A short page does not mean the end; a missing `Link` does.

    Source: OCI distribution-spec, "Listing Tags"; RFC 8288.

    Raises:
        RegistryError: of kind ``not-found`` when there is no such list, ``invalid`` when it never ends.
    """
    url, seen, count = path, {path}, 0
    while True:
        answer = await transport.request("GET", url, what=what, scope=scope)
        if answer.status != 200:
            raise responses.error(answer, transport.registry, what)
        names = _names(answer.body, key)
        if names is None:
            raise _invalid(transport.registry, what, f"its list has no '{key}'")
        count += len(names)
        if count > MOST_NAMES:
            raise _invalid(transport.registry, what, f"its list has more than {MOST_NAMES} names")
        yield names
        following = next_link(answer.headers.get("Link", ""), answer.url)
        if following is None:
            return
        if following in seen:
            raise _invalid(transport.registry, what, "its list leads in a circle")
        if len(seen) >= MOST_PAGES:
            raise _invalid(transport.registry, what, f"its list has more than {MOST_PAGES} pages")
        seen.add(following)
        url = following


def next_link(header: str, url: str) -> str | None:
    """The next page's URL, on the same origin as `url`; None at the end."""
    for target, parameters in _LINK.findall(header):
        if _NEXT.search(parameters):
            following, here = urlsplit(urljoin(url, target.strip())), urlsplit(url)
            # Registries behind proxies name hosts and schemes of their own: only path and query count.
            return str(urlunsplit((here.scheme, here.netloc, following.path, following.query, "")))
    return None


def _names(body: bytes, key: str) -> list[str] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or key not in document:
        return None
    # A repository without tags has null there.
    values = document[key] or []
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else None


def _invalid(registry: str, what: str, why: str) -> RegistryError:
    return RegistryError(f"{registry}: {what}: {why}", kind="invalid", temporary=False, registry=registry)
