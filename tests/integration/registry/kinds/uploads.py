"""Uploads as registries have them: mounts that fail, places and ranges that are odd, statuses of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from multidict import MultiDict

from tests.lab.odd.case import Case
from tests.lab.odd.content import put_image
from tests.lab.odd.exchange import Answer, Ask, Next, Quirk, refusal
from tests.lab.odd.quirks import asks, bends, refuses, says, with_headers, without_headers

_BIG = partial(put_image, size=700_000)
_PATCHES, _PUTS, _BEGIN = asks("PATCH", "upload"), asks("PUT", "upload"), asks("POST", "uploads")


def cases() -> list[Case]:
    return [
        *(
            Case(f"mounts answer {status}", target=[refuses(_mounts, status, code)])
            for status, code in (
                (400, "UNSUPPORTED"),
                (401, "UNAUTHORIZED"),
                (403, "DENIED"),
                (404, "NAME_UNKNOWN"),
                (405, "UNSUPPORTED"),
                (500, "UNKNOWN"),
                (501, "UNSUPPORTED"),
            )
        ),
        Case("mounts are said to be done, and are not", target=[_false_mounts()]),
        *(
            Case(name, target=[quirk], put=_BIG)
            for name, quirk in (
                ("ranges that stand still (containers-roadmap#2831)", with_headers(_PATCHES, Range="0-0")),
                ("ranges with a unit (distribution#2363)", bends(_PATCHES, _with_unit)),
                ("no ranges", without_headers(asks("POST PATCH"), "Range")),
                ("no names of uploads", without_headers(asks("POST PATCH"), "Docker-Upload-UUID")),
                ("200 for the end of an upload", bends(_PUTS, _status(200))),
                ("204 for the end of an upload", bends(_PUTS, _status(204))),
                ("202 for the end of an upload", bends(_PUTS, _status(202))),
                ("no digest at the end of an upload", without_headers(_PUTS, "Docker-Content-Digest")),
                ("a piece takes at most 600 KiB (ocx#237)", _at_most(600 * 1024)),
            )
        ),
        Case("blobs are refused to HEAD", target=[says(asks("HEAD", "blob"), 405)], put=_BIG),
        Case("blobs are 403 to HEAD", target=[says(asks("HEAD", "blob"), 403)], put=_BIG),
        Case("uploads begin at the second try", target=[says(_BEGIN, 502, times=1)]),
        Case("no HEAD of blobs at the source", source=[says(asks("HEAD", "blob"), 405)]),
        Case("blobs without a length", source=[without_headers(asks("GET", "blob"), "Docker-Content-Digest")]),
    ]


def _mounts(ask: Ask) -> bool:
    return ask.kind == "uploads" and "mount" in ask.query


def _false_mounts() -> Quirk:
    """The answer to a mount is that of an upload that has begun, but with 201 for what the registry has not."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        if not _mounts(ask):
            return await following(ask)
        plain = Ask(
            ask.method, ask.path, MultiDict(), ask.headers, ask.body, ask.host, ask.kind, ask.repository, ask.reference
        )
        return await following(plain)

    return quirk


def _with_unit(_: Ask, given: Answer) -> None:
    if "Range" in given.headers:
        given.headers["Range"] = f"bytes={given.headers['Range']}"


def _status(status: int) -> Callable[[Ask, Answer], None]:
    def bend(_: Ask, given: Answer) -> None:
        given.status = status

    return bend


def _at_most(size: int) -> Quirk:
    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.kind == "upload" and len(ask.body) > size:
            return refusal(416, "REQUESTED_RANGE_NOT_SATISFIABLE", "the request body is too large")
        return await following(ask)

    return quirk
