"""Digests are kept where that can be; where a target does not take a kind of manifest, skopeo makes another, as dregsy
has it."""

from __future__ import annotations

import json
from functools import partial

from tests.lab.odd.case import COPY, REPOSITORY, Case, Played
from tests.lab.odd.content import ZSTD, put_image, put_multi, put_schema_1
from tests.lab.odd.exchange import Ask, Quirk
from tests.lab.odd.quirks import refuses

_SCHEMA_1 = "docker.distribution.manifest.v1"
_UNSIGNED = partial(put_schema_1, signed=False)
#: 255 characters; skopeo counts the host, too.
_LONG = "/".join(["a" * 63] * 4)


def _is_there(played: Played) -> None:
    assert played.target.store.digest(_LONG, "1") == played.source.store.digest(REPOSITORY, "1")


def cases() -> list[Case]:
    docker = partial(put_image, media="docker")
    return [
        Case("a name as long as may be, and longer with its host", to=_LONG, digest=lambda _: None, check=_is_there),
        Case("schema 1", put=put_schema_1),
        Case("schema 1, all", put=put_schema_1, platform="all"),
        Case("schema 1 by a platform", put=put_schema_1, platform="linux/amd64"),
        Case("schema 1 without signatures", put=_UNSIGNED),
        Case("schema 1 without signatures, all", put=_UNSIGNED, platform="all"),
        Case(
            "schema 1 where nobody takes it any more",
            put=put_schema_1,
            target=[_takes_no(_SCHEMA_1, 415, "UNSUPPORTED", "schema 1 is gone")],
            relay="direct",
            wants="failed",
            words=("schema 1 is gone",),
            check=_no_retry,
        ),
        *(
            Case(name, target=[quirk], put=put, platform=platform, relay="skopeo", digest=_another, check=_told)
            for name, quirk, put, platform in (
                ("a target of Docker's kind alone", _takes_no("oci", 400), put_image, ""),
                ("a target of Docker's kind alone, all", _takes_no("oci", 400), put_multi, "all"),
                ("a target of Docker's kind alone, by 415", _takes_no("oci", 415), put_image, ""),
                ("a target of OCI's kind alone", _takes_no("docker", 400), docker, ""),
                (
                    "schema 1 where nobody takes it any more, by skopeo",
                    _takes_no(_SCHEMA_1, 415, "UNSUPPORTED", "schema 1 is gone"),
                    put_schema_1,
                    "",
                ),
                ("schema 1 without signatures, where nobody takes it", _takes_no(_SCHEMA_1, 400), _UNSIGNED, "all"),
                ("schema 1 to a target of Docker's second kind", _takes_no(_SCHEMA_1, 400), put_schema_1, ""),
            )
        ),
        Case(
            "a target of Docker's kind alone, directly",
            target=[_takes_no("oci", 400)],
            relay="direct",
            wants="failed",
            words=("not of this kind",),
            check=_no_retry,
        ),
        Case("zstd beside gzip, all (skopeo#2627)", put=partial(put_multi, layer_type=ZSTD), platform="all"),
    ]


def _takes_no(kind: str, status: int, code: str = "MANIFEST_INVALID", words: str = "not of this kind") -> Quirk:
    def is_one(ask: Ask) -> bool:
        return ask.kind == "manifest" and ask.method == "PUT" and kind in ask.headers.get("Content-Type", "")

    return refuses(is_one, status, code, words)


def _another(played: Played) -> str | None:
    """What the target has is an image of another kind, and the report has its digest."""
    digest = played.target.store.digest(COPY, "1")
    assert digest is not None and [job["digest"] for job in played.jobs] == [digest]
    return digest


def _told(played: Played) -> None:
    _, body = played.target.store.manifests[COPY, "1"]
    assert json.loads(body)["schemaVersion"] == 2
    assert played.attempts == 1


def _no_retry(played: Played) -> None:
    assert played.attempts <= 1
