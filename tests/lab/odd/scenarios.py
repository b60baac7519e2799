"""Odd registries by chance: a seed makes a source and a target of quirks that stand one before another."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from multidict import CIMultiDict, CIMultiDictProxy, MultiDict

from tests.lab.odd.content import (
    ZSTD,
    put_artifact,
    put_docker_list,
    put_foreign,
    put_image,
    put_multi,
    put_nested,
)
from tests.lab.odd.exchange import Answer, Ask, Next, Quirk, answer
from tests.lab.odd.quirks import (
    HEADS,
    LOGIN,
    MANIFESTS,
    Tokens,
    asks,
    basic,
    bends,
    created_by_push,
    cuts,
    hidden_from_anonymous,
    pages_of,
    refuses,
    says,
    upload_at,
    with_headers,
    without_headers,
)
from tests.lab.odd.store import Store
from tests.lab.odd.wire import body_of, head, length, wired

REPOSITORY, COPY = "lib/app", "copy/app"
TAGS = ("1.0.0", "1.1.0", "2.0.0")
Make = Callable[[], Quirk]
Put = Callable[[Store, str, str], object]

_ANY, _BLOBS = asks("GET HEAD", "manifest blob tags"), asks("GET", "blob")
_PUT, _TAGS = asks("PUT", "manifest"), asks(kinds="tags")
_BEARER = 'Bearer realm="{realm}",service="{service}",scope="{scope}"'

CONTENTS: dict[str, Put] = {
    "an image": put_image,
    "a Docker image": partial(put_image, media="docker"),
    "an index": put_multi,
    "a Docker list": put_docker_list,
    "an index in an index": put_nested,
    "an artifact": put_artifact,
    "a zstd image": partial(put_image, layer_type=ZSTD),
    "a zstd index": partial(put_multi, layer_type=ZSTD),
    "an untyped image": partial(put_image, typed=False),
    "an image by sha512": partial(put_image, algorithm="sha512"),
    "an image with a foreign layer": put_foreign,
    "an image of 300 KiB": partial(put_image, size=300_000),
}

LOGINS: dict[str, Make] = {
    "Basic": basic,
    "Basic without realm": lambda: basic(challenge="Basic"),
    "Bearer": lambda: Tokens().both,
    "Basic before Bearer": lambda: Tokens(challenge=f'Basic realm="x", {_BEARER}').both,
    "Bearer before Basic": lambda: Tokens(challenge=f'{_BEARER}, Basic realm="x"').both,
    "Negotiate, then Bearer": lambda: Tokens(challenge=f"Negotiate\n{_BEARER}").both,
    "Bearer without scope": lambda: Tokens(challenge='Bearer realm="{realm}",service="{service}"').both,
    "Bearer without service": lambda: Tokens(challenge='Bearer realm="{realm}",scope="{scope}"').both,
    "access_token": lambda: Tokens(key="access_token").both,
    "expires_in 0": lambda: Tokens(more={"expires_in": 0}).both,
    "hidden from nobody": lambda: hidden_from_anonymous(Tokens().both),
}

#: Of both sides.
COMMON: dict[str, Make] = {
    **{f"HEAD {status}": partial(says, HEADS, status) for status in (400, 401, 403, 404, 405, 500, 501)},
    "HEAD without digest": lambda: without_headers(HEADS, "Docker-Content-Digest"),
    "no digest at all": lambda: without_headers(asks("GET HEAD PUT", "manifest"), "Docker-Content-Digest"),
    "HEAD by sha512": lambda: with_headers(HEADS, Docker_Content_Digest="sha512:" + "a" * 128),
    "HEAD is empty": lambda: with_headers(HEADS, Content_Length="0"),
    "HEAD has another type": lambda: with_headers(HEADS, Content_Type="application/vnd.oci.image.manifest.v1+json"),
    "HEAD is text": lambda: with_headers(HEADS, Content_Type="text/plain"),
    "a body on HEAD": lambda: wired(HEADS, lambda _, given: head(given, length(given)) + given.body),
    "long headers": lambda: with_headers(_ANY, X_Long="x" * 40_000),
    "cookies": lambda: with_headers(_ANY, Set_Cookie="a=b; Path=/"),
    "odd quotas": lambda: with_headers(MANIFESTS, RateLimit_Remaining="9" * 40, RateLimit_Limit="many;w=1.2.3"),
    "busy once": lambda: says(asks("GET", "manifest blob"), 503, times=1),
    "connections end": lambda: with_headers(asks(), Connection="close"),
}

SOURCES: dict[str, Make] = {
    **COMMON,
    "charset in types": lambda: bends(MANIFESTS, _with_charset),
    "blobs break off": lambda: cuts(_BLOBS),
    "manifests break off": lambda: cuts(asks("GET", "manifest")),
    "HTTP/1.0": lambda: wired(_ANY, _old),
    "chunked": lambda: wired(_BLOBS, _chunked),
    "no length": lambda: wired(asks("GET", "manifest"), lambda ask, given: head(given) + given.body),
    "no ranges": lambda: _without_ranges,
    "blobs moved": lambda: _moved_blobs,
    "Link relative": lambda: pages_of(2, lambda ask, last: [f'<{ask.path}?last={last}>; rel="next"']),
    "Link inner": lambda: pages_of(2, lambda ask, last: [f'<http://inner:1{ask.path}?last={last}>; rel="next"']),
    "Link bare": lambda: pages_of(2, lambda ask, last: [f"{ask.path}?last={last}"]),
    "n refused": lambda: says(lambda ask: ask.kind == "tags" and "n" in ask.query, 400),
    "list with null": lambda: bends(_TAGS, lambda ask, given: answer(200, {"tags": [*TAGS, None]})),
}

TARGETS: dict[str, Make] = {
    **COMMON,
    "uploads absolute": lambda: upload_at(lambda ask, path: f"http://{ask.host}{path}"),
    "uploads with a query": lambda: upload_at(lambda ask, path: f"{path}?_state=a%2Bb%3D"),
    "created by the push": lambda: created_by_push(Tokens()),
    "no mounts": lambda: _no_mounts(202),
    "mounts refused": lambda: _no_mounts(405),
    "blobs unknown to HEAD": lambda: says(asks("HEAD", "blob"), 404),
    "200 for a push": lambda: bends(asks("PUT"), lambda ask, given: setattr(given, "status", 200)),
    "204 for a push": lambda: bends(_PUT, lambda ask, given: setattr(given, "status", 204)),
    "no Range": lambda: without_headers(asks("PATCH POST"), "Range"),
    "no Location for a manifest": lambda: without_headers(_PUT, "Location"),
    "denies": lambda: refuses(_PUT, 403, "DENIED", "no push for you"),
    "immutable": lambda: refuses(_PUT, 412, "PRECONDITION", "the tag is immutable"),
    "read-only": lambda: refuses(asks("POST", "uploads"), 405, "UNSUPPORTED", "read-only"),
    "too big": lambda: says(asks("PUT PATCH", "upload"), 413, "<html><title>413</title>", Content_Type="text/html"),
    "nobody may look": lambda: refuses(asks("GET HEAD", "manifest"), 403, "DENIED"),
}
#: Quirks that want a login of their own.
_SIGNED = {"created by the push"}


@dataclass(frozen=True)
class Side:
    login: str
    quirks: tuple[str, ...]

    @property
    def signs_in(self) -> bool:
        return bool(self.login) or bool(_SIGNED & set(self.quirks))

    def make(self, menu: dict[str, Make]) -> list[Quirk]:
        """The quirks anew: they remember what they did. Who signs in comes first, so that nothing else is told."""
        return ([LOGINS[self.login]()] if self.login else []) + [menu[name]() for name in self.quirks]


@dataclass(frozen=True)
class Scenario:
    """`tags`: all of `TAGS` by a list, or the first alone."""

    seed: int
    content: str
    source: Side
    target: Side
    lists: bool

    def __str__(self) -> str:
        sides = (f"{side.login or 'open'} {', '.join(side.quirks) or 'plain'}" for side in (self.source, self.target))
        return f"seed {self.seed}: {self.content}{', by a list' if self.lists else ''}; from " + " | to ".join(sides)

    @property
    def passing(self) -> int:
        """How many of its quirks are faults that pass."""
        return sum("break off" in name or "once" in name for side in (self.source, self.target) for name in side.quirks)

    @property
    def tags(self) -> Sequence[str]:
        return TAGS if self.lists else TAGS[:1]

    def fill(self, store: Store) -> None:
        for tag in self.tags:
            CONTENTS[self.content](store, REPOSITORY, tag)


def scenario(seed: int) -> Scenario:
    chance = random.Random(seed)
    target = _side(chance, TARGETS)
    if _SIGNED & set(target.quirks):
        target = Side("", target.quirks)
    return Scenario(seed, chance.choice(list(CONTENTS)), _side(chance, SOURCES), target, chance.random() < 0.4)


def _side(chance: random.Random, menu: dict[str, Make]) -> Side:
    login = chance.choice(list(LOGINS)) if chance.random() < 0.5 else ""
    return Side(login, tuple(sorted(chance.sample(list(menu), chance.randint(0, 3)))))


USER = ":".join(LOGIN)


def _with_charset(_: Ask, given: Answer) -> None:
    given.headers["Content-Type"] += "; charset=utf-8"


def _old(ask: Ask, given: Answer) -> bytes:
    return head(given, length(given), line="HTTP/1.0 200 OK") + body_of(ask, given)


def _chunked(ask: Ask, given: Answer) -> bytes:
    return head(given, "Transfer-Encoding: chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(given.body), given.body)


async def _without_ranges(ask: Ask, following: Next) -> Answer:
    if "Range" not in ask.headers or ask.kind != "blob":
        return await following(ask)
    headers = CIMultiDict((name, value) for name, value in ask.headers.items() if name != "Range")
    return await following(Ask(ask.method, ask.path, ask.query, CIMultiDictProxy(headers), b"", ask.host, *_named(ask)))


async def _moved_blobs(ask: Ask, following: Next) -> Answer:
    if ask.kind == "blob" and ask.method == "GET" and "moved" not in ask.query:
        return answer(307, Location=f"{ask.path}?moved=a%2Fb")
    return await following(ask)


def _no_mounts(status: int) -> Quirk:
    async def quirk(ask: Ask, following: Next) -> Answer:
        if ask.kind != "uploads" or "mount" not in ask.query:
            return await following(ask)
        if status != 202:
            return refusal_of(status)
        return await following(Ask(ask.method, ask.path, MultiDict(), ask.headers, ask.body, ask.host, *_named(ask)))

    return quirk


def refusal_of(status: int) -> Answer:
    return answer(status, {"errors": [{"code": "UNSUPPORTED", "message": "no mounts"}]})


def _named(ask: Ask) -> tuple[str, str, str]:
    return ask.kind, ask.repository, ask.reference
