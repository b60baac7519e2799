"""HTTP as Go's library reads it: what skopeo accepts, we accept."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.lab.odd.case import Case
from tests.lab.odd.content import put_image
from tests.lab.odd.exchange import Answer, Ask, Next, Quirk
from tests.lab.odd.quirks import HEADS, asks, cuts, packed, says, with_headers
from tests.lab.odd.wire import Write, body_of, head, length, wired

_GETS, _BLOBS = asks("GET", "manifest"), asks("GET", "blob")
_ANY = asks("GET HEAD", "manifest tags blob")


def cases() -> list[Case]:
    return [
        Case("a body on HEAD", source=[wired(HEADS, lambda ask, given: head(given, length(given)) + given.body)]),
        Case(
            "a body on HEAD that says it is chunked",
            source=[wired(HEADS, lambda _, given: head(given, "Transfer-Encoding: chunked") + _chunked(given.body))],
        ),
        Case("a body on a target's HEAD of nothing", target=[wired(_missing, lambda _, given: _error(given))]),
        Case("a header line of 60 KiB", source=[with_headers(_ANY, X_Long="x" * 60_000)]),
        Case("a hundred headers", source=[with_headers(_ANY, **{f"X_{n}": "y" * 500 for n in range(100)})]),
        Case("no length at all", source=[wired(_GETS, lambda ask, given: head(given) + given.body)]),
        Case("HTTP/1.0", source=[wired(_ANY, _old)]),
        Case("a status without words", source=[wired(_ANY, _plain("HTTP/1.1 200"))]),
        Case("a status in odd words", source=[wired(_ANY, _plain("HTTP/1.1 200 D\u00c9J\u00c0 vu"))]),
        Case("lines without carriage returns", source=[wired(_ANY, _bare)]),
        Case("a header in Latin-1", source=[wired(_ANY, _more("X-Owner: J\u00fcrgen"))]),
        Case("early hints", source=[wired(_ANY, _hints)]),
        Case(
            "the same length twice",
            relay="skopeo",
            source=[wired(_GETS, lambda _, given: head(given, length(given), length(given)) + given.body)],
        ),
        Case(
            "chunked, with a length beside it",
            relay="skopeo",
            source=[wired(_GETS, _with_length)],
        ),
        Case("a folded header", source=[wired(_ANY, _more("X-Folded: a\r\n  b"))]),
        Case("a header line of 300 KiB", source=[with_headers(_ANY, X_Long="x" * 300_000)]),
        Case("a thousand headers", source=[with_headers(_ANY, **{f"X_{n}": "y" for n in range(1000)})]),
        Case("packed manifests (oras-go#1177)", source=[packed(_GETS)]),
        Case("packed lists", source=[packed(asks("GET", "tags"), "x-gzip")], **_listed),
        Case("HEAD says it is packed", source=[with_headers(HEADS, Content_Encoding="gzip")]),
        Case("blobs that say they are packed (moby#17595)", source=[with_headers(_BLOBS, Content_Encoding="x-gzip")]),
        Case("blobs are packed on the way", source=[packed(_BLOBS)]),
        Case("big blobs are packed on the way", source=[packed(_BLOBS)], put=partial(put_image, size=700_000)),
        Case("blobs are packed on the way, in pieces", source=[_packed_in_pieces()]),
        Case("chunked, with trailers", source=[wired(_ANY, _trailers)]),
        Case("chunked, with extensions", source=[wired(_ANY, _extensions)]),
        Case("a blank behind a header's value", source=[wired(_ANY, _more("X-Blank:   a b   "))]),
        Case("an empty header", source=[wired(_ANY, _more("X-Empty:"))]),
        Case("cookies", source=[with_headers(_ANY, Set_Cookie="a=b; Path=/; bad name=1; Expires=never")]),
        Case("blobs that break off", source=[cuts(_BLOBS, times=2)], put=partial(put_image, size=200_000)),
        *(
            Case(
                f"blobs that break off, and their rest is refused by {status}",
                source=[says(_rests, status), cuts(_BLOBS)],
                put=partial(put_image, size=700_000),
            )
            for status in (400, 403, 404, 416, 501)
        ),
        Case("manifests that break off", source=[cuts(_GETS, times=1)]),
        Case(
            "the connection ends with each answer",
            source=[with_headers(_ANY, Connection="close")],
            target=[with_headers(asks(), Connection="close")],
        ),
    ]


def _rests(ask: Ask) -> bool:
    return ask.kind == "blob" and "Range" in ask.headers


def _packed_in_pieces() -> Quirk:
    """As a proxy does that packs while it hands on: nothing tells how much will come."""
    pack = packed(_BLOBS)

    async def quirk(ask: Ask, following: Next) -> Answer:
        given = await pack(ask, following)
        if _BLOBS(ask) and given.status == 200:
            given.raw = head(given, "Transfer-Encoding: chunked") + _chunked(given.body)
        return given

    return quirk


_listed: dict[str, Any] = {
    "tags": ("semver: >=1.0.0",),
    "put": lambda store, name, _: put_image(store, name, "1.0.0"),
    "digest": lambda played: None,
}


def _with_length(ask: Ask, given: Answer) -> bytes:
    return head(given, "Transfer-Encoding: chunked", length(given)) + _chunked(given.body)


def _missing(ask: Ask) -> bool:
    return ask.method == "HEAD" and ask.kind in ("manifest", "blob")


def _error(given: Answer) -> bytes:
    if given.status != 404:
        return head(given, length(given))
    body = b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'
    return f"HTTP/1.1 404 Not Found\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _plain(line: str) -> Write:
    return lambda ask, given: head(given, length(given), line=line) + body_of(ask, given)


def _more(line: str) -> Write:
    return lambda ask, given: head(given, line, length(given)) + body_of(ask, given)


def _old(ask: Ask, given: Answer) -> bytes:
    return head(given, length(given), line="HTTP/1.0 200 OK") + body_of(ask, given)


def _bare(ask: Ask, given: Answer) -> bytes:
    return head(given, length(given), end="\n") + body_of(ask, given)


def _hints(ask: Ask, given: Answer) -> bytes:
    first = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    return first + head(given, length(given)) + body_of(ask, given)


def _trailers(ask: Ask, given: Answer) -> bytes:
    if ask.method == "HEAD":
        return head(given, length(given))
    body = b"%x\r\n%s\r\n0\r\nX-Checksum: abc\r\n\r\n" % (len(given.body), given.body)
    return head(given, "Transfer-Encoding: chunked", "Trailer: X-Checksum") + body


def _extensions(ask: Ask, given: Answer) -> bytes:
    if ask.method == "HEAD":
        return head(given, length(given))
    body = b'%x;name="a b"\r\n%s\r\n0\r\n\r\n' % (len(given.body), given.body)
    return head(given, "Transfer-Encoding: chunked") + body


def _chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
