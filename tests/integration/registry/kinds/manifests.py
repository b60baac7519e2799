"""What a manifest is, is said by the manifest; what is planned is what is copied."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from dregsy_queue.oci.manifests import DOCKER_MANIFEST
from tests.lab.odd.case import COPY, REPOSITORY, Case, Played
from tests.lab.odd.content import (
    ZSTD,
    Entry,
    put_artifact,
    put_docker_list,
    put_foreign,
    put_image,
    put_index,
    put_multi,
    put_nested,
)
from tests.lab.odd.exchange import Answer, Ask, Next, refusal
from tests.lab.odd.quirks import HEADS, MANIFESTS, asks, bends, refuses, says, with_headers, without_headers
from tests.lab.odd.store import Store, digest_of

_GETS = asks("GET", "manifest")
_ONE = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


async def _goes_by_types(ask: Ask, following: Next) -> Answer:
    """Lets in no manifest that is sent as something else than it says of itself."""
    is_push = ask.kind == "manifest" and ask.method == "PUT"
    if is_push and json.loads(ask.body)["mediaType"] != ask.headers.get("Content-Type"):
        return refusal(400, "MANIFEST_INVALID", "mediaType and Content-Type differ")
    return await following(ask)


def _is_stored_as(kind: str, played: Played) -> None:
    assert played.target.store.manifests[COPY, "1"][0] == kind


def cases() -> list[Case]:
    return [
        Case("nested, a platform (container-libs#211)", put=put_nested, platform="linux/arm64", digest=_leaf("arm64")),
        Case("nested, no platform named", put=put_nested, digest=_leaf("amd64")),
        Case(
            "nested without platforms (pelagos#533)",
            put=partial(put_nested, platforms=False),
            platform="linux/arm64",
            digest=_leaf("arm64"),
        ),
        Case("nested, all (apptainer#2905)", put=put_nested, platform="all"),
        Case("wrapped twice", put=_wrapped, platform="linux/arm64", digest=_leaf("arm64")),
        Case(
            "HEAD says an index is an image (go-containerregistry#617)",
            source=[with_headers(HEADS, Content_Type=_ONE)],
            put=put_multi,
            platform="linux/arm64",
            digest=_leaf("arm64"),
        ),
        Case("HEAD says an image is an index", source=[with_headers(HEADS, Content_Type=_INDEX)]),
        *(
            Case(
                f"Content-Type is {name}",
                source=[with_headers(MANIFESTS, Content_Type=value)],
                put=put_multi,
                platform="linux/arm64",
                digest=_leaf("arm64"),
            )
            for name, value in (
                ("application/json", "application/json"),
                ("text/plain", "text/plain; charset=utf-8"),
                ("octets", "application/octet-stream"),
                ("with a charset", f"{_INDEX}; charset=utf-8"),
                ("in odd case", _INDEX.upper()),
            )
        ),
        *(
            Case(
                f"octets, to a target that goes by types: {name}",
                source=[with_headers(MANIFESTS, Content_Type="application/octet-stream")],
                target=[_goes_by_types],
                put=put,
                platform="all",
            )
            for name, put in (("an image", put_image), ("an index", put_multi), ("a Docker list", put_docker_list))
        ),
        *(
            Case(
                f"text that does not say what it is, {media}",
                source=[with_headers(MANIFESTS, Content_Type="text/plain")],
                put=partial(put_image, typed=False, media=media),
                check=partial(_is_stored_as, kind),
            )
            for media, kind in (("oci", _ONE), ("docker", DOCKER_MANIFEST))
        ),
        Case("no Content-Type", source=[without_headers(MANIFESTS, "Content-Type")]),
        Case("the manifest does not say what it is", put=partial(put_image, typed=False)),
        Case("an index that does not say what it is, all", put=_untyped_index, platform="all"),
        Case("an index that does not say what it is", put=_untyped_index, digest=_leaf("amd64")),
        Case("manifests by tag alone", source=[refuses(_by_digest, 404, "MANIFEST_UNKNOWN")]),
        Case(
            "manifests by tag alone, two tags", source=[refuses(_by_digest, 404, "MANIFEST_UNKNOWN")], tags=("1", "2")
        ),
        Case("an index of an image without a platform", put=_unnamed, digest=lambda played: _only(played.source.store)),
        Case("an index of an image without a platform, all", put=_unnamed, platform="all"),
        Case("an index of which one image is not there", put=_sparse, digest=_leaf("amd64")),
        Case(
            "an index of which one image is not there, all",
            put=_sparse,
            platform="all",
            wants="failed",
            words=("manifest unknown|there is no such",),
            check=_no_retry,
        ),
        Case("a Docker list, all", put=put_docker_list, platform="all"),
        Case("a Docker list of OCI images, all", put=_mixed, platform="all"),
        Case("an artifact", put=put_artifact),
        Case("an artifact in an index, all", put=_with_artifact, platform="all"),
        Case("zstd layers (skopeo#2627)", put=partial(put_image, layer_type=ZSTD)),
        Case("zstd layers in an index, all (skopeo#2627)", put=partial(put_multi, layer_type=ZSTD), platform="all"),
        Case("a layer that registries need not have", put=put_foreign),
        Case("a subject and annotations", put=_with_subject),
        Case("the same image twice in an index, all", put=_twice, platform="all"),
        Case("an empty index, all", put=lambda store, name, tag: put_index(store, name, tag, []), platform="all"),
        Case(
            "no image for the platform",
            put=put_multi,
            platform="linux/s390x",
            wants="failed",
            words=("linux/s390x", "linux/amd64", "linux/arm64"),
            check=_no_retry,
        ),
        Case(
            "GET is another manifest than HEAD",
            source=[bends(_GETS, lambda ask, given: setattr(given, "body", given.body + b" "))],
            wants="failed",
            words=("something else|does not match",),
        ),
        *(
            Case(
                f"the manifest is {name}, and HEAD tells nothing",
                source=[says(HEADS, 405), says(_GETS, 200, body, Content_Type="application/json")],
                wants="failed",
                words=("no manifest for 1" + words,),
                check=_nothing_pushed,
            )
            for name, body, words in (
                ("an error", '{"errors": [{"code": "DENIED", "message": "not for you"}]}', ".*not for you"),
                ("an empty object", "{}", ""),
                ("a version alone", '{"schemaVersion": 2}', ""),
            )
        ),
        Case(
            "HEAD and GET are the same error",
            source=[
                says(MANIFESTS, 200, _ERROR, Content_Type="application/json", Docker_Content_Digest=digest_of(_ERROR))
            ],
            wants="failed",
            words=("not a manifest.*not for you|no manifest for",),
            check=_nothing_pushed,
        ),
        Case(
            "both registries are the same web page",
            source=[says(MANIFESTS, 200, "<html><title>Sign in</title></html>", Content_Type="text/html")],
            target=[says(MANIFESTS, 200, "<html><title>Sign in</title></html>", Content_Type="text/html")],
            wants="failed",
            words=("Sign in",),
        ),
        Case(
            "the manifest is a web page",
            source=[bends(_GETS, lambda ask, given: setattr(given, "body", b"<html>Sign in</html>"))],
            wants="failed",
        ),
    ]


_ERROR = b'{"errors": [{"code": "DENIED", "message": "not for you"}]}'


def _nothing_pushed(played: Played) -> None:
    assert played.target.store.manifests == {}


def _by_digest(ask: Ask) -> bool:
    return ask.kind == "manifest" and ":" in ask.reference


def _unnamed(store: Store, name: str, tag: str) -> Entry:
    entry = put_image(store, name, None)
    return put_index(store, name, tag, [{key: entry[key] for key in ("mediaType", "digest", "size")}])


def _only(store: Store) -> str:
    return str(json.loads(store.manifests[REPOSITORY, "1"][1])["manifests"][0]["digest"])


def _sparse(store: Store, name: str, tag: str) -> Entry:
    return put_index(store, name, tag, [put_image(store, name, None), put_image(Store(), name, None, arch="arm64")])


def _no_retry(played: Played) -> None:
    assert played.attempts <= 1


def _leaf(arch: str) -> Callable[[Played], str | None]:
    """The digest of the image for `arch`, however deep it lies."""

    def find(played: Played) -> str | None:
        return _find(played.source.store, played.source.store.manifests[REPOSITORY, "1"][1], arch)

    return find


def _find(store: Store, body: bytes, arch: str) -> str | None:
    for entry in json.loads(body)["manifests"]:
        below = store.manifests[REPOSITORY, entry["digest"]][1]
        if "manifests" in json.loads(below):
            if found := _find(store, below, arch):
                return found
        elif entry.get("platform", {}).get("architecture") == arch:
            return str(entry["digest"])
    return None


def _wrapped(store: Store, name: str, tag: str) -> Entry:
    inner = put_index(store, name, None, [put_multi(store, name, None)])
    return put_index(store, name, tag, [inner])


def _untyped_index(store: Store, name: str, tag: str) -> Entry:
    return put_index(
        store, name, tag, [put_image(store, name, None, arch=arch) for arch in ("amd64", "arm64")], typed=False
    )


def _mixed(store: Store, name: str, tag: str) -> Entry:
    return put_index(
        store, name, tag, [put_image(store, name, None, arch=arch) for arch in ("amd64", "arm64")], "docker"
    )


def _with_artifact(store: Store, name: str, tag: str) -> Entry:
    return put_index(store, name, tag, [put_image(store, name, None), put_artifact(store, name, "artifact")])


def _with_subject(store: Store, name: str, tag: str) -> Entry:
    of = put_image(store, name, "of")
    subject = {key: of[key] for key in ("mediaType", "digest", "size")}
    return put_image(store, name, tag, subject=subject, annotations={"a": "ü"})


def _twice(store: Store, name: str, tag: str) -> Entry:
    image = put_image(store, name, None)
    return put_index(store, name, tag, [image, {**image, "platform": {"os": "linux", "architecture": "386"}}])
