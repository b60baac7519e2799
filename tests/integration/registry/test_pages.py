"""Lists in pages: whatever a registry does, all names come, or an error; never fewer names and no error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from dregsy_queue.registry.credentials.source import Static
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.pool import Registries
from dregsy_queue.registry.tls import TLSSettings
from dregsy_queue.registry.transport import RetryPolicy
from tests.conftest import MakeProxy
from tests.lab.proxy import Faults
from tests.lab.registry import Registry

NAMES = sorted(f"t{number:05}" for number in range(2500))
Page = Callable[[web.Request], web.StreamResponse]


def _answer(tags: list[str] | None, *links: str) -> web.Response:
    headers = CIMultiDict([("Link", link) for link in links])
    return web.json_response({"name": "a", "tags": tags}, headers=headers)


def _slice(request: web.Request, most: int = 10**6, *, last: bool = True) -> tuple[list[str], bool]:
    after = request.query.get("last", "") if last else ""
    rest = [name for name in NAMES if name > after]
    size = min(most, int(request.query.get("n", 10**6)))
    return rest[:size], len(rest) > size


def no_link(request: web.Request) -> web.Response:
    """nexus-public#117: `n` counts and no `Link` follows."""
    return _answer(_slice(request)[0])


def capped_without_link(request: web.Request) -> web.Response:
    """Pages of 100 whatever is asked for, and no `Link`."""
    return _answer(_slice(request, 100)[0])


def ignores_last(request: web.Request) -> web.Response:
    return _answer(_slice(request, last=False)[0])


def broken_link(request: web.Request) -> web.StreamResponse:
    """renovate#15080: a `Link` that leads to an error, just because `n` was asked for."""
    if "page" in request.query:
        return web.Response(status=404)
    tags, more = _slice(request)
    return _answer(tags, *(['</v2/a/tags/list?page=2>; rel="next"'] if more else []))


def link_that_is_none(request: web.Request) -> web.Response:
    tags, more = _slice(request)
    return _answer(tags, *(["<http://[::/x>; rel=next"] if more else []))


def failing_page(request: web.Request) -> web.StreamResponse:
    if "last" in request.query:
        return web.Response(status=500)
    tags, more = _slice(request)
    return _answer(tags, *([f'</v2/a/tags/list?n=999&last={tags[-1]}>; rel="next"'] if more else []))


def several_links(request: web.Request) -> web.Response:
    """RFC 8288 §3: one line may come as several."""
    tags, more = _slice(request, 300)
    following = [f"</v2/a/tags/list?n=300&last={tags[-1]}>; rel=next"] if more else []
    return _answer(tags, '</v2/a/tags/list>; rel="first"', *following)


def link_to_an_inner_host(request: web.Request) -> web.Response:
    tags, more = _slice(request, 300)
    following = f'<http://registry.internal:1/v2/a/tags/list?n=300&last={tags[-1]}>; rel="next"'
    return _answer(tags, *([following] if more else []))


def refuses_n(request: web.Request) -> web.StreamResponse:
    return web.Response(status=400) if "n" in request.query else _answer(NAMES)


def fails_at_n(request: web.Request) -> web.StreamResponse:
    """distribution#4844: 500 for a number that its driver does not like."""
    return web.Response(status=500) if "n" in request.query else _answer(NAMES)


def knows_no_n(request: web.Request) -> web.StreamResponse:
    return web.Response(status=404) if "n" in request.query else _answer(NAMES)


def shows_nothing_at_n(request: web.Request) -> web.StreamResponse:
    return _answer([]) if "n" in request.query else _answer(NAMES)


def is_a_page_at_n(request: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>") if "n" in request.query else _answer(NAMES)


def overlapping(request: web.Request) -> web.Response:
    """`last` is part of the next page, as some registries have it."""
    after = request.query.get("last", "")
    rest = [name for name in NAMES if name >= after][: int(request.query.get("n", 10**6))]
    return _answer(rest)


def link_by_number(request: web.Request) -> web.Response:
    """renovate#15030: `last` is a number there, which leads to the same page for ever."""
    if "n" not in request.query:
        return _answer(NAMES)
    return _answer(NAMES[:100], '</v2/a/tags/list?last=100&n=100>; rel="next"')


def link_without_query(request: web.Request) -> web.Response:
    tags, more = _slice(request, 300)
    return _answer(tags, *(['</v2/a/tags/list>; rel="next"'] if more else []))


def link_to_none(request: web.Request) -> web.Response:
    """A `Link` with ``n=0``, as GitHub's registry has it, where that means none (distribution-spec)."""
    tags, more = _slice(request, 300)
    return _answer(tags, *([f'</v2/a/tags/list?last={tags[-1]}&n=0>; rel="next"'] if more and tags else []))


def whole_in_pages(request: web.Request) -> web.StreamResponse:
    """The second page is refused because of its `n`, and without `n` the list is in pages."""
    if {"n", "last"} <= set(request.query):
        return web.Response(status=400)
    tags, more = _slice(request, 300)
    following = f'</v2/a/tags/list?{"n=300&" if "n" in request.query else ""}last={tags[-1]}>; rel="next"'
    return _answer(tags, *([following] if more else []))


def empty_pages(request: web.Request) -> web.Response:
    """Every other page is empty, and leads on."""
    if "from" not in request.query:
        tags, more = _slice(request, 300)
        return _answer(tags, *([f'</v2/a/tags/list?from={tags[-1]}&last=x>; rel="next"'] if more else []))
    return _answer([], f'</v2/a/tags/list?n=300&last={request.query["from"]}>; rel="next"')


def ends_at_its_begin(request: web.Request) -> web.Response:
    """The last page leads to the first."""
    tags, more = _slice(request, 300)
    return _answer(tags, f'</v2/a/tags/list?n=300&last={tags[-1] if more else ""}>; rel="next"')


def cut_at_ten_without_link(request: web.Request) -> web.Response:
    return _answer(_slice(request, 10)[0])


def refuses_n_and_cuts(request: web.Request) -> web.StreamResponse:
    return web.Response(status=400) if "n" in request.query else _answer(_slice(request, 50)[0])


@pytest.mark.parametrize(
    "page",
    [
        link_by_number,
        link_without_query,
        link_to_none,
        whole_in_pages,
        empty_pages,
        ends_at_its_begin,
        cut_at_ten_without_link,
        refuses_n_and_cuts,
        no_link,
        capped_without_link,
        ignores_last,
        broken_link,
        link_that_is_none,
        failing_page,
        several_links,
        link_to_an_inner_host,
        refuses_n,
        fails_at_n,
        knows_no_n,
        shows_nothing_at_n,
        is_a_page_at_n,
        overlapping,
    ],
)
async def test_all_names_come(page: Page, source: Registry, make_proxy: MakeProxy) -> None:
    assert await _tags(page, source, make_proxy) == NAMES


@pytest.mark.parametrize("tags", [None, [], "none"])
async def test_a_repository_without_tags(tags: Any, source: Registry, make_proxy: MakeProxy) -> None:
    """distribution#1186, harbor#22242: null, or no key at all."""

    def nothing(_: web.Request) -> web.Response:
        return web.json_response({"name": "a"} if tags == "none" else {"name": "a", "tags": tags})

    assert await _tags(nothing, source, make_proxy) == []


async def test_neither_page_nor_whole_list_is_an_error(source: Registry, make_proxy: MakeProxy) -> None:
    """A full page, and whoever asks on is refused."""

    def refuses(request: web.Request) -> web.StreamResponse:
        return web.Response(status=400) if request.query_string != "n=9999" else _answer(NAMES[:100])

    with pytest.raises(RegistryError):
        await _tags(refuses, source, make_proxy)


@pytest.mark.parametrize(
    "body",
    [
        "<html>Sign in</html>",
        "[]",
        '{"errors": [{"code": "UNKNOWN"}]}',
        '{"tags": null, "errors": [{"code": "UNKNOWN", "message": "no database"}]}',
        '{"tags": "x"}',
    ],
)
async def test_what_is_no_list_is_an_error(body: str, source: Registry, make_proxy: MakeProxy) -> None:
    with pytest.raises(RegistryError) as caught:
        await _tags(lambda _: web.Response(text=body), source, make_proxy)
    assert caught.value.kind == "invalid" and not caught.value.temporary


async def _tags(page: Page, source: Registry, make_proxy: MakeProxy) -> list[str]:
    async def hook(request: web.Request) -> web.StreamResponse | None:
        return page(request) if request.path.endswith("/tags/list") else None

    proxy = make_proxy(source, faults=Faults(hook=hook))
    registries = Registries(policy=RetryPolicy(tries=2, first=0.01))
    try:
        return await registries.client(proxy.host, Static(None), TLSSettings(skip_verify=True)).tags("a")
    finally:
        await registries.aclose()
