"""Serving the page: read from the ledger at each request, drawn here, so that a browser needs no script."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

import jinja2
from aiohttp import web
from redis import RedisError

from dregsy_queue.ledger import situation
from dregsy_queue.ledger.advice import advice, waiting_advice
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.report import RunReader
from dregsy_queue.ledger.staleness import AFTER
from dregsy_queue.redact import scrub
from dregsy_queue.serve.page import verbs
from dregsy_queue.serve.page.plot import HEIGHT, WIDTH, bars
from dregsy_queue.serve.page.session import LIFE, Session, same_origin
from dregsy_queue.terminal import clean, flow, moment, plural, size, span

log = logging.getLogger(__name__)

#: Images of a run, and running transfers, that a page shows.
MOST = 200
_STATIC = {"style.css": "text/css", "live.js": "text/javascript"}
#: The page needs nothing from outside, and nobody may frame it.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: Images by state, in this order; what was up to date is counted only.
_SHOWN = ("failed", "running", "admitted", "waiting", "cancelled", "copied")


class Page:
    def __init__(self, connection: Connection, session: Session, stale_after: float = AFTER) -> None:
        """`stale_after`: seconds that a mirror may be behind at least before it is stale."""
        self._redis, self._session, self._stale_after = connection, session, stale_after
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("dregsy_queue.serve.page"), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._templates.filters.update(clean=clean, span=span, size=size, plural=plural, scrub=scrub)
        self._templates.globals.update(
            advice=advice, waiting_advice=waiting_advice, flow=flow, moment=moment, verbs=verbs.VERBS, most=MOST
        )

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard], client_max_size=64 * 1024)
        application.router.add_get("/", self._overview)
        application.router.add_get("/task", self._task, name="task")
        application.router.add_get("/static/{name}", self._static)
        application.router.add_post("/sign-in", self._sign_in)
        application.router.add_post("/order", self._order)
        return application

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Every answer with the same headers; errors as pages."""
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                error.headers.update(_HEADERS)
                raise
            answer = self._error(request, error.status, error.text or error.reason)
        except (RedisError, OSError) as error:
            answer = self._error(request, 503, f"Redis does not answer: {error}")
        answer.headers.update(_HEADERS)
        return answer

    async def _overview(self, request: web.Request) -> web.Response:
        found = await asyncio.to_thread(situation.read, self._redis, self._stale_after)
        return self._page(request, "overview.html", now=found.now, situation=found, verdict=found.verdict)

    async def _task(self, request: web.Request) -> web.Response:
        name = request.query.get("name", "")
        found = await asyncio.to_thread(situation.read, self._redis, self._stale_after)
        task = next((task for task in found.tasks if task.name == name), None)
        if task is None:
            raise web.HTTPNotFound(text=f"there is no task '{clean(name)}'")
        runs, images = await asyncio.to_thread(self._history, name)
        return self._page(
            request, "task.html", now=found.now, situation=found, task=task, runs=runs, images=images,
            problems=situation.in_the_way_of(name, found),
            bars=bars(runs), width=WIDTH, height=HEIGHT, said=request.query.get("said", "")[:200],
        )  # fmt: skip

    def _history(self, task: str) -> tuple[list[Any], list[Any]]:
        """Runs, newest first, and the images of the newest: what is not well first, none that was up to date."""
        reader = RunReader(self._redis)
        runs = reader.runs(task)
        images = [image for image in reader.results(runs[0].run) if image.status in _SHOWN] if runs else []
        return runs, sorted(images, key=lambda image: (_SHOWN.index(image.status), image.source, image.target))[:MOST]

    async def _static(self, request: web.Request) -> web.Response:
        kind = _STATIC.get(request.match_info["name"])
        if kind is None:
            raise web.HTTPNotFound(text="there is no such page")
        text = (files("dregsy_queue.serve.page") / "static" / request.match_info["name"]).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=kind)

    async def _sign_in(self, request: web.Request) -> web.Response:
        form = await request.post()
        if not same_origin(request.headers) or not self._session.is_token(str(form.get("token", ""))):
            # Slow down guessing.
            await asyncio.sleep(1)
            raise web.HTTPForbidden(text="this is not the token")
        answer = web.HTTPSeeOther(_inside(str(form.get("back", "/"))))
        answer.set_cookie(
            Session.COOKIE,
            self._session.cookie(),
            max_age=LIFE,
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        raise answer

    async def _order(self, request: web.Request) -> web.Response:
        if not same_origin(request.headers) or not self._session.allowed(request.headers, request.cookies):
            raise web.HTTPForbidden(text="an order needs the token: sign in first")
        form = await request.post()
        verb, task = str(form.get("verb", "")), str(form.get("task", ""))
        try:
            said = await asyncio.to_thread(verbs.give, self._redis, verb, task)
        except verbs.UnknownOrderError:
            raise web.HTTPBadRequest(text="there is no such order, or no such task") from None
        log.info("order from the page: %s %s: %s", verb, task, said)
        raise web.HTTPSeeOther(request.app.router["task"].url_for().with_query(name=task, said=said))

    def _error(self, request: web.Request, status: int, text: str) -> web.Response:
        return self._page(request, "error.html", status=status, text=text)

    def _page(self, request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:  # noqa: ANN401
        text = self._templates.get_template(template).render(
            **values,
            possible=self._session.possible,
            allowed=self._session.allowed(request.headers, request.cookies),
            here=str(request.rel_url.without_query_params("said")),
        )
        return web.Response(text=text, status=status, content_type="text/html")


def _inside(path: str) -> str:
    """A path of this page; anything else leads to its start."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def serve(
    connection: Connection, token: str, address: str, port: int, listening: Callable[[], None], *, stale_after: float
) -> None:
    """Serve until a signal ends it; `listening` is called as soon as requests are answered.

    Raises: OSError: nothing can listen there.
    """
    application = Page(connection, Session(token), stale_after).application()
    web.run_app(application, host=address, port=port, print=lambda _: listening(), access_log=None)
