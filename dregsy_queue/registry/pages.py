"""Pagination: lists that a registry gives in pages, read to their end, or not at all.

A list that is shorter than the truth is the worst answer, as nobody notices. So what a registry says of its pages is
believed only where it can be: see `pages`.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from yarl import URL

from dregsy_queue.concurrency import parsed
from dregsy_queue.logs import log_fields
from dregsy_queue.registry import responses
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.go_json import member
from dregsy_queue.registry.origins import follow
from dregsy_queue.registry.responses import Answer
from dregsy_queue.registry.transport import Request, Transport

log = logging.getLogger(__name__)

_LINK = re.compile(r"<([^<>]*)>([^<>]*)")
_NEXT = re.compile(r"""(?:^|[;,])\s*rel\s*=\s*(?:["'][^"']*\bnext\b|next\b)""", re.IGNORECASE)
#: Characters of a `Link` line that are read.
_LONGEST = 64 * 1024
#: Most names taken from one list.
MOST_NAMES = 1_000_000
#: Most pages read of one list: some may be empty.
MOST_PAGES = 20_000
#: Sizes at which registries cut pages by themselves, beside multiples of 50 and powers of two from 64 on; such a page
#: without `Link` is asked on once. Not more of them: each costs lists that happen to be so long two requests.
_CUTS = frozenset({10, 20, 25, 30, 40, 60, 75, 80, 99})
#: Answers to a number of names that a registry does not like.
_REFUSED = (400, 405, 422)
#: Error codes that are not about numbers (OCI distribution-spec, "Error Codes").
_BELIEVED = (b'"NAME_UNKNOWN"', b'"NOT_FOUND"', b'"DENIED"')


@dataclass
class PageSizes:
    """How many names to ask one registry for, and what was learned of that; shared by all its lists."""

    #: names asked for at a time
    size: int
    #: asked for instead where a registry refuses that many
    less: int
    #: most names that one of its pages had: it does not cut below
    most: int = 0


async def pages(
    transport: Transport,
    path: str,
    key: str,
    *,
    sizes: PageSizes,
    scope: str,
    what: str,
    see: Callable[[bytes], None] = lambda _: None,
) -> AsyncIterator[list[str]]:
    """The names under `key`, page by page, each name once; `see` gets each page as it came.

    - A `Link` to a next page is followed by its path and query alone: behind a proxy it may name an internal host.
    - A full page without `Link` is not taken for the end: the next one is asked for by ``last=``.
    - Where a page cannot be had, or the first one is empty, the whole list is asked for, without ``n``: some registries
      fail at a number that they do not like. Where that is in pages, too, these are followed.
    - A `Link` in a circle, or to nothing, is not the end: what comes after the last name is asked for.

    Source: OCI distribution-spec, "Listing Tags"; RFC 8288.

    Raises:
        RegistryError: of kind ``not-found`` when there is no such list, ``invalid`` when it never ends.
    """
    pager = _Pager(transport, path, key, sizes, scope, what, see)
    answer: Answer | None = await pager.first()
    while answer is not None:
        names = await pager.names(answer)
        yield pager.new(names)
        answer = await pager.further(answer, names)


class _Pager:
    """One list while it is read."""

    def __init__(
        self,
        transport: Transport,
        path: str,
        key: str,
        sizes: PageSizes,
        scope: str,
        what: str,
        see: Callable[[bytes], None],
    ) -> None:
        self._transport, self._path, self._key, self._sizes = transport, path, key, sizes
        self._scope, self._what, self._see = scope, what, see
        self._names: set[str] = set()
        #: the last name of the last page that had any that were new
        self._last = ""
        self._asked: set[str] = set()

    async def ask(self, url: str, *, tries: int | None = None) -> Answer:
        if len(self._asked) >= MOST_PAGES:
            raise self._invalid(f"its list has more than {MOST_PAGES} pages")
        self._asked.add(url)
        answer = await self._transport.request(Request("GET", url, self._what, self._scope), tries=tries)
        if answer.status == 200:
            self._see(answer.body)
        return answer

    async def first(self) -> Answer:
        """The first page, or the whole list. Raises: RegistryError: as the first request was answered."""
        answer: Answer | None = None
        path, sizes = self._path, self._sizes
        try:
            answer = await self.ask(f"{path}?n={sizes.size}")
            if answer.status in _REFUSED and sizes.size > sizes.less:
                answer = await self.ask(f"{path}?n={sizes.less}")
                if answer.status == 200:
                    sizes.size = sizes.less
            if answer.status == 200 and (next_link(answer.headers, answer.url) or await self._has_names(answer)):
                return answer
            problem = None if answer.status == 200 else self._error(answer)
            if problem and any(code in answer.body.upper() for code in _BELIEVED):
                raise problem
        except RegistryError as error:
            if error.kind not in ("unavailable", "invalid"):
                raise
            problem = error
        try:
            whole = await self.ask(path, tries=1 if problem and problem.temporary else None)
        except RegistryError as error:
            whole, problem = None, problem or error
        if whole is not None and whole.status == 200:
            return whole
        if answer is not None and answer.status == 200:
            return answer
        assert problem is not None
        raise problem

    async def _has_names(self, answer: Answer) -> bool:
        return bool(await parsed(answer.body, lambda: _names(answer.body, self._key)))

    async def further(self, answer: Answer, names: list[str]) -> Answer | None:
        """What comes after a page with these `names`; None at the end. Raises: RegistryError: nobody can tell."""
        link = next_link(answer.headers, answer.url)
        if link is None:
            return await self._after_unlinked(answer, names)
        if link in self._asked:
            # Some registries link their last page, which is empty, to itself.
            return await self._otherwise("its list leads in a circle") if names else None
        found, problem = await self._try(link)
        if found is None:
            return await self._otherwise(problem)
        if next_link(found.headers, found.url) or await self._has_names(found):
            return found
        # An empty page at the end of a link counts where it is what comes after the last name.
        return None if self._is_after_last(link) else (await self._after_last("n=" in link))[0]

    async def _after_unlinked(self, answer: Answer, names: list[str]) -> Answer | None:
        """A page without a link is the end, unless it may be full, or cut: then the next one is asked for."""
        obeys_n, number, sizes = "n=" in URL(answer.url).query_string, len(names), self._sizes
        sizes.most = max(sizes.most, number)
        is_full = obeys_n and number == sizes.size
        if not names or not (is_full or (number >= sizes.most and _may_be_cut(number))):
            return None
        found, again = await self._after_last(obeys_n)
        if found is not None or self._path in self._asked:
            return found
        if again is not None and again < sizes.size and not (again and _may_be_cut(again)):
            return None
        # It obeys `n` and ignores `last`, or cannot do both.
        whole = await self.ask(self._path)
        if whole.status != 200 and again is None:
            raise self._error(whole)
        return whole if whole.status == 200 and await self._has_new(whole) else None

    async def _otherwise(self, problem: str) -> Answer | None:
        """What comes where links lead nowhere: the whole list, or what comes after the last name. None at the end.

        Raises: RegistryError: neither is to be had.
        """
        log.info("a page cannot be had, asking for the whole list: %s", problem, extra=log_fields(list=self._what))
        if self._path not in self._asked:
            whole = await self.ask(self._path)
            if whole.status == 200:
                return whole
            raise self._error(whole)
        found, again = await self._after_last(with_size=True)
        if found is None and again != 0:
            raise self._invalid(problem)
        return found

    async def _after_last(self, with_size: bool) -> tuple[Answer | None, int | None]:
        """A page of new names after the last one; None: there is none. And how many names came that are known: one that
        ignores `last` gives some; None: no answer."""
        last = f"last={quote(self._last, safe='')}"
        found, _ = await self._try(f"{self._path}?n={self._sizes.size}&{last}" if with_size else f"{self._path}?{last}")
        if found is None:
            return None, None
        names = await self.names(found)
        return (found, 0) if set(names) - self._names else (None, len(names))

    def _is_after_last(self, link: str) -> bool:
        """Whether a link asks for what comes after the last name, and for some of it."""
        query = URL(link, encoded=True).query
        return query.get("last", "") == self._last and query.get("n", "") != "0"

    async def _try(self, url: str) -> tuple[Answer | None, str]:
        """A page; or None, and why it cannot be had."""
        if url in self._asked:
            return None, "its list leads in a circle"
        try:
            answer = await self.ask(url)
        except RegistryError as error:
            if error.kind not in ("unavailable", "invalid") or not self._names:
                raise
            return None, str(error)
        return (answer, "") if answer.status == 200 else (None, f"a page answers HTTP {answer.status}")

    async def names(self, answer: Answer) -> list[str]:
        names = await parsed(answer.body, lambda: _names(answer.body, self._key))
        if names is None:
            said = responses.quoted(answer.body) if b'"errors"' in answer.body else ""
            raise self._invalid(f"its list has no '{self._key}'{said}")
        return names

    def new(self, names: list[str]) -> list[str]:
        """Those of `names` that no page before had."""
        fresh = [name for name in dict.fromkeys(names) if name not in self._names]
        self._names.update(fresh)
        self._last = fresh[-1] if fresh else self._last
        if len(self._names) > MOST_NAMES:
            raise self._invalid(f"its list has more than {MOST_NAMES} names")
        return fresh

    async def _has_new(self, answer: Answer) -> bool:
        """True where a page has names that none before had."""
        return bool(set(await self.names(answer)) - self._names)

    def _error(self, answer: Answer) -> RegistryError:
        return responses.error(answer, self._transport.registry, self._what)

    def _invalid(self, why: str) -> RegistryError:
        registry = self._transport.registry
        return RegistryError(f"{registry}: {self._what}: {why}", kind="invalid", temporary=False, registry=registry)


def _may_be_cut(number: int) -> bool:
    return number in _CUTS or number % 50 == 0 or (number >= 64 and number & (number - 1) == 0)


def next_link(headers: Mapping[str, str], url: str) -> str | None:
    """The next page's URL, on the same origin as `url`; None where there is none.

    All `Link` lines count (RFC 9110 §5.3). A target that is no URL of HTTP gives the page's own URL, which cannot be
    followed.
    """
    getall: Any = getattr(headers, "getall", None)
    lines = getall("Link", []) if getall else [headers.get("Link", "")]
    links = [link for line in lines for link in _links(line[:_LONGEST])]
    named = next((target for target, parameters in links if _NEXT.search(parameters)), None)
    if named is None and len(links) == 1 and "rel" not in links[0][1].lower():
        named = links[0][0]
    if named is None:
        return None
    here = URL(url, encoded=True)
    following = follow(here, named)
    return _NOWHERE if following is None else str(here.origin()) + following.raw_path_qs


def _links(line: str) -> list[tuple[str, str]]:
    """Targets and parameters. Some registries leave out the angle brackets, or the relation, as skopeo takes both."""
    if "<" in line or not line.strip():
        return _LINK.findall(line)
    target, _, parameters = line.partition(";")
    target = target.strip()
    return [(target, ";" + parameters)] if target.startswith(("/", "?", "http:", "https:")) else []


#: A path that no registry has: asking for it fails, and the whole list is asked for.
_NOWHERE = "/v2/-/no-such-page"


def _names(body: bytes, key: str) -> list[str] | None:
    """None for an answer that is not a list. A repository without tags has null there, or no key at all."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    keys = {name.lower() for name in document}
    if (key not in keys and keys - {"name"}) or member(document, "errors"):
        return None
    values = member(document, key) or []
    # null is skipped; anything else that is not text makes the whole list unusable.
    if not isinstance(values, list) or not all(isinstance(value, str | None) for value in values):
        return None
    return [value for value in values if value]
