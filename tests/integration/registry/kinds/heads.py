"""A HEAD is not the last word: GET works, or the push decides."""

from __future__ import annotations

from tests.lab.odd.case import COPY, REPOSITORY, Case, Played
from tests.lab.odd.content import put_image
from tests.lab.odd.exchange import Answer, Ask, Next, Quirk
from tests.lab.odd.quirks import (
    HEADS,
    MANIFESTS,
    Tokens,
    asks,
    basic,
    created_by_push,
    hidden_from_anonymous,
    presigned,
    redirects,
    refuses,
    says,
    shows_late,
    with_headers,
    without_headers,
)
from tests.lab.odd.store import Store
from tests.lab.odd.wire import wired

_LOOKS = asks("HEAD GET", "manifest", "/copy/")


def cases() -> list[Case]:
    return [
        *(
            Case(f"source HEAD {status} ({report})", source=[says(HEADS, status)], tags=("1", "2", "3"), check=_once)
            for status, report in (
                (401, "watchtower#667"),
                (403, "containerd#6684"),
                (404, "diun#1614"),
                (405, "distribution#1485"),
                (501, "containerd#6684"),
            )
        ),
        *(
            Case(f"source HEAD {status}", source=[says(HEADS, status)])
            for status in (204, 206, 301, 302, 304, 406, 410, 418, 451, 505)
        ),
        Case("source HEAD is hung up on", source=[wired(HEADS, lambda ask, given: b"")]),
        Case("target HEAD is hung up on", target=[wired(HEADS, lambda ask, given: b"")]),
        Case("source HEAD 500 (registry-cli#43)", source=[says(HEADS, 500)], tags=("1", "2"), check=_brief),
        Case("source HEAD 400 for its Accept", source=[says(HEADS, 400, "bad")]),
        *(
            Case(f"target HEAD {status}", target=[says(HEADS, status)])
            for status in (204, 206, 302, 304, 400, 401, 403, 404, 405, 406, 410, 451, 500, 501, 505)
        ),
        Case("target HEAD of nothing is 200 (nexus proxy)", target=[_empty_200()]),
        Case("HEAD without digest (diun#1614)", source=[without_headers(HEADS, "Docker-Content-Digest")]),
        Case("HEAD is a web page", source=[with_headers(HEADS, Content_Type="text/html", Docker_Content_Digest="")]),
        Case("HEAD says it is empty", source=[with_headers(HEADS, Content_Length="0")]),
        Case("manifests at signed addresses (moby#50065)", source=[presigned(MANIFESTS)]),
        Case("signed addresses want no HEAD at all", source=[presigned(MANIFESTS, head=405)]),
        Case("created by the push (helm#32144)", target=[created_by_push(Tokens())], login="target"),
        Case("hidden from nobody (containerd#3291)", source=[hidden_from_anonymous(Tokens().both)], login="source"),
        Case("hidden from nobody, Basic", source=[hidden_from_anonymous(basic())], login="source"),
        Case("looks at a target are web pages", target=[says(MANIFESTS, 200, _PAGE, Content_Type="text/html")]),
        *(
            Case(
                f"{name} of a target are {page}",
                target=[says(when, 200, body)],
                wants="failed",
                words=("web page|not understood",),
                check=_no_tag,
            )
            for name, when in (("all answers", asks()), ("looks at, and pushes", asks("GET HEAD PUT", "manifest")))
            for page, body in (("web pages", _PAGE), ("other documents", '{"status": "maintenance"}'))
        ),
        Case(
            "looks at a target lead to a login page", target=[redirects(MANIFESTS, lambda ask: "/login"), _login_page()]
        ),
        Case("a target that shows late what was pushed", target=[shows_late(3)]),
        Case(
            "a target that shows the old image for a while",
            target=[shows_late(3, b'{"schemaVersion": 2, "layers": []}')],
        ),
        Case("a target that nobody may read", target=[refuses(_LOOKS, 403, "DENIED")]),
        Case(
            "a target that says 401 to who reads",
            target=[basic(), refuses(_LOOKS, 401, "UNAUTHORIZED")],
            login="target",
        ),
        Case("the target has it, and answers no HEAD", target=[says(HEADS, 405), _has_it()], wants="up-to-date"),
        Case(
            "neither answers HEAD",
            source=[says(HEADS, 405)],
            target=[says(HEADS, 501), _has_it()],
            wants="up-to-date",
        ),
        Case(
            "neither HEAD nor GET",
            source=[refuses(MANIFESTS, 403, "DENIED", "no pull for you")],
            wants="failed",
            words=("no pull for you", "403", "lib/app"),
            check=_no_retry,
        ),
    ]


_PAGE = "<html><title>Sign in</title></html>"


def _login_page() -> Quirk:
    return says(asks("GET HEAD", pattern="^/login"), 200, _PAGE, Content_Type="text/html")


def _no_tag(played: Played) -> None:
    assert played.target.store.manifests == {}


def _once(played: Played) -> None:
    refused = played.source.count("HEAD", "/manifests/", agent="dregsy_queue")
    assert refused <= 3, "what never works is not tried for each image"


def _brief(played: Played) -> None:
    assert played.attempts == 1


def _no_retry(played: Played) -> None:
    assert played.attempts <= 1


def _empty_200() -> Quirk:
    async def quirk(ask: Ask, following: Next) -> Answer:
        given = await following(ask)
        return Answer(200) if ask.method == "HEAD" and ask.kind == "manifest" and given.status == 404 else given

    return quirk


def _has_it() -> Quirk:
    """The target has what the source has, from before."""
    store = Store()
    put_image(store, REPOSITORY, "1")

    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.kind == "manifest" and ask.method in ("GET", "HEAD") and ask.repository == COPY:
            found = Ask(
                ask.method, ask.path, ask.query, ask.headers, b"", ask.host, "manifest", REPOSITORY, ask.reference
            )
            return store.answer(found)
        return await following(ask)

    return quirk
