"""A digest is not always by SHA-256, and a header that names one is not always right."""

from __future__ import annotations

from functools import partial

from tests.lab.odd.case import COPY, Case, Played
from tests.lab.odd.content import put_image, put_multi
from tests.lab.odd.exchange import Answer, Ask, Quirk
from tests.lab.odd.quirks import HEADS, MANIFESTS, When, asks, bends, with_headers, without_headers
from tests.lab.odd.store import digest_of

_ANY = asks("GET HEAD PUT", "manifest")
_OTHER = "sha256:" + "0" * 64


def cases() -> list[Case]:
    sha512 = partial(put_image, algorithm="sha512")
    return [
        Case("layers by sha512 (go-containerregistry#2427)", put=sha512),
        Case("an index with entries by sha512, all", put=partial(put_multi, algorithm="sha512"), platform="all"),
        Case(
            "an index with entries by sha512",
            put=partial(put_multi, algorithm="sha512"),
            platform="linux/amd64",
            digest=_amd64,
        ),
        Case("layers by sha384", put=partial(put_image, algorithm="sha384")),
        Case("an index with entries by sha384, all", put=partial(put_multi, algorithm="sha384"), platform="all"),
        Case("HEAD names it by sha512", source=[_named("sha512", HEADS)]),
        Case("all answers name it by sha512", source=[_named("sha512", MANIFESTS)]),
        Case("the target names it by sha512", target=[_named("sha512", _ANY)]),
        Case(
            "the target names it by an algorithm of its own", target=[with_headers(_ANY, Docker_Content_Digest="x1:ab")]
        ),
        Case("HEAD names it by an algorithm of its own", source=[with_headers(HEADS, Docker_Content_Digest="x1:ab")]),
        *(
            Case(f"HEAD's digest is {name}", source=[with_headers(HEADS, Docker_Content_Digest=value)])
            for name, value in (
                ("empty", ""),
                ("no digest", "latest"),
                ("too short", "sha256:abc"),
                ("in quotes", f'"{_OTHER}"'),
                ("weak", f'W/"{_OTHER}"'),
                ("hex alone", "0" * 64),
            )
        ),
        Case("HEAD's digest is in upper case", source=[_upper(HEADS)]),
        Case("the target's HEAD has no digest", target=[without_headers(HEADS, "Docker-Content-Digest")]),
        Case("the target never names a digest", target=[without_headers(_ANY, "Docker-Content-Digest")]),
        Case("the target's HEAD names another", target=[with_headers(HEADS, Docker_Content_Digest=_OTHER)]),
        Case("no answer names a digest", source=[without_headers(MANIFESTS, "Docker-Content-Digest")]),
        Case(
            "HEAD names what is not there",
            source=[with_headers(HEADS, Docker_Content_Digest=_OTHER)],
        ),
    ]


def _amd64(played: Played) -> str | None:
    found = played.target.store.manifests.get((COPY, "1"))
    return digest_of(found[1]) if found and b"amd64" not in found[1] and b'"layers"' in found[1] else "none"


def _named(algorithm: str, when: When) -> Quirk:
    def bend(ask: Ask, given: Answer) -> None:
        body = ask.body if ask.method == "PUT" else given.body
        given.headers["Docker-Content-Digest"] = digest_of(body, algorithm)

    return bends(when, bend)


def _upper(when: When) -> Quirk:
    def bend(_: Ask, given: Answer) -> None:
        given.headers["Docker-Content-Digest"] = digest_of(given.body).upper().replace("SHA256", "sha256")

    return bends(when, bend)
