"""Uploads as registries have them: mounts that fail, places and ranges that are odd, statuses of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from multidict import MultiDict

from tests.lab.odd.case import COPY, Case, Played
from tests.lab.odd.content import put_image, put_schema_1
from tests.lab.odd.exchange import Answer, Ask, Next, Quirk, refusal
from tests.lab.odd.quirks import asks, bends, redirects, refuses, says, with_headers, without_headers
from tests.lab.odd.registry import OddRegistry
from tests.lab.odd.store import Store
from tests.lab.odd.wire import head, wired

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
        *(
            Case(f"mounts answer {status} without words", target=[says(_mounts, status)])
            for status in (200, 202, 204, 301, 409, 412, 415, 422)
        ),
        Case("mounts are answered by an upload", target=[_no_mounts(202)]),
        *(
            _lax(f"mounts are said to be done, and are not, {name}", quirk)
            for name, quirk in (
                ("and nothing tells where", says(_mounts, 201)),
                ("and an upload has begun", _no_mounts(201)),
                ("as all that begins", bends(_BEGIN, _status(201))),
            )
        ),
        _checked("mounts are said to be done, and the manifest is refused", says(_mounts, 201)),
        _checked("blobs are said to be there, and the manifest is refused", says(asks("HEAD", "blob"), 200)),
        Case(
            "the target names another digest for a push",
            target=[with_headers(asks("PUT", "manifest"), Docker_Content_Digest="sha256:" + "0" * 64)],
        ),
        *(
            Case(f"{name} by a login page", target=target, wants="failed", words=("Sign in|login|200",), check=_no_tag)
            for name, target in (
                ("the end of uploads is answered", [says(_PUTS, 200, _PAGE, Content_Type="text/html")]),
                ("uploads are answered", [says(asks("PUT PATCH", "upload"), 200, _PAGE, Content_Type="text/html")]),
                ("uploads are redirected and answered", [_login_page(), redirects(_PUTS, lambda ask: "/login", 302)]),
            )
        ),
        *(
            _lax(
                f"HEAD of blobs is 200 {name}, whatever is there", says(asks("HEAD", "blob"), 200, body), relay="direct"
            )
            for name, body in (("and nothing", b""), ("and a page", _PAGE))
        ),
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
        Case(
            "bodies of more than 2 MiB are hung up on",
            relay="direct",
            target=[_hangs_up(2 * 2**20)],
            put=partial(put_image, size=2_500_000),
        ),
        Case("blobs are refused to HEAD", target=[says(asks("HEAD", "blob"), 405)], put=_BIG),
        Case("blobs are 403 to HEAD", target=[says(asks("HEAD", "blob"), 403)], put=_BIG),
        Case("uploads begin at the second try", target=[says(_BEGIN, 502, times=1)]),
        Case("no HEAD of blobs at the source", source=[says(asks("HEAD", "blob"), 405)]),
        Case(
            "schema 1, and no HEAD of blobs at the source", source=[says(asks("HEAD", "blob"), 405)], put=put_schema_1
        ),
        Case("schema 1, and HEAD finds no blobs", source=[says(asks("HEAD", "blob"), 404)], put=put_schema_1),
        Case("a layer is smaller than its manifest says", put=partial(_sized, 10)),
        Case("a layer is bigger than its manifest says", put=partial(_sized, -10)),
        *(
            Case(
                f"pieces of at most 600 KiB, and the least piece is {name}",
                relay="direct",
                target=[_at_most(600 * 1024), with_headers(_BEGIN, OCI_Chunk_Min_Length=value)],
                put=_BIG,
            )
            for name, value in (("no number", "\u00b2"), ("too long a number", "9" * 5000), ("less than nothing", "-1"))
        ),
        Case("sizes are 0", put=_without_sizes),
        *(
            Case(
                f"a layer is {name} than its manifest says, and no answer tells its length",
                source=[wired(asks("GET", "blob"), _chunked)],
                put=partial(_sized, more),
            )
            for name, more in (("bigger", -10), ("smaller", 10))
        ),
        Case("blobs without a length", source=[without_headers(asks("GET", "blob"), "Docker-Content-Digest")]),
    ]


def _sized(more: int, store: Store, repository: str, tag: str) -> None:
    """As skopeo has it, sizes are a hint: digests decide."""
    put_image(store, repository, tag)
    kind, body = store.manifests[repository, tag]
    document = json.loads(body)
    document["layers"][0]["size"] += more
    store.put_manifest(repository, tag, kind, json.dumps(document).encode())


def _without_sizes(store: Store, repository: str, tag: str) -> None:
    """As some programs write what they do not know."""
    put_image(store, repository, tag)
    kind, body = store.manifests[repository, tag]
    document = json.loads(body)
    for part in (document["config"], *document["layers"]):
        part["size"] = 0
    store.put_manifest(repository, tag, kind, json.dumps(document).encode())


def _chunked(_: Ask, given: Answer) -> bytes:
    body = b"%x\r\n%s\r\n" % (len(given.body), given.body) if given.body else b""
    return head(given, "Transfer-Encoding: chunked") + body + b"0\r\n\r\n"


def _checked(name: str, quirk: Quirk) -> Case:
    """A target that lets in no manifest whose blobs it lacks, whatever it said of them before."""
    held: list[OddRegistry] = []

    async def check(ask: Ask, following: Next) -> Answer:
        if ask.kind == "manifest" and ask.method == "PUT":
            document = json.loads(ask.body)
            named = [document["config"]["digest"], *(layer["digest"] for layer in document["layers"])]
            if any((ask.repository, digest) not in held[0].store.blobs for digest in named):
                return refusal(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
        return await following(ask)

    return Case(name, target=[quirk, check], put=_BIG, share=held.append)


def _mounts(ask: Ask) -> bool:
    return ask.kind == "uploads" and "mount" in ask.query


_PAGE = b"<html><title>Sign in</title></html>"


def _login_page() -> Quirk:
    return says(lambda ask: ask.path == "/login", 200, _PAGE, Content_Type="text/html")


def _no_tag(played: Played) -> None:
    assert played.target.store.tags(COPY) == []


def _lax(name: str, quirk: Quirk, relay: str = "") -> Case:
    """A target that lets in manifests without their blobs must have them all the same."""

    def check(played: Played) -> None:
        document = json.loads(played.target.store.manifests[COPY, "1"][1])
        named = {part["digest"] for part in (document["config"], *document["layers"])}
        assert named == {digest for repository, digest in played.target.store.blobs if repository == COPY}

    return Case(name, target=[quirk], put=partial(put_image, size=1_500_000), check=check, relay=relay)


def _no_mounts(status: int) -> Quirk:
    """The answer to a mount is that of an upload that has begun, with this status."""

    async def quirk(ask: Ask, following: Next) -> Answer:
        if not _mounts(ask):
            return await following(ask)
        plain = Ask(
            ask.method, ask.path, MultiDict(), ask.headers, ask.body, ask.host, ask.kind, ask.repository, ask.reference
        )
        given = await following(plain)
        given.status = status
        return given

    return quirk


def _with_unit(_: Ask, given: Answer) -> None:
    if "Range" in given.headers:
        given.headers["Range"] = f"bytes={given.headers['Range']}"


def _status(status: int) -> Callable[[Ask, Answer], None]:
    def bend(_: Ask, given: Answer) -> None:
        given.status = status

    return bend


def _hangs_up(size: int) -> Quirk:
    async def quirk(ask: Ask, following: Next) -> Answer:
        return Answer(raw=b"") if ask.kind == "upload" and len(ask.body) > size else await following(ask)

    return quirk


def _at_most(size: int) -> Quirk:
    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.kind == "upload" and len(ask.body) > size:
            return refusal(416, "REQUESTED_RANGE_NOT_SATISFIABLE", "the request body is too large")
        return await following(ask)

    return quirk
