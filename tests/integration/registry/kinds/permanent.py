"""What will be the same next time is tried once, and what passes again; the message has the registry's own words."""

from __future__ import annotations

from multidict import CIMultiDict

from tests.lab.odd.case import COPY, Case, Played
from tests.lab.odd.content import put_image
from tests.lab.odd.exchange import Answer, Ask, Next, Quirk, refusal
from tests.lab.odd.quirks import HEADS, MANIFESTS, asks, bends, refuses, says
from tests.lab.odd.store import digest_of

_PUT = asks("PUT", "manifest")
_BLOBS = asks("PUT PATCH", "upload")
_BEGIN = asks("POST", "uploads")
_NGINX = "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n<hr>nginx/1.25\r\n</html>\r\n"


def cases() -> list[Case]:
    return [
        *(Case(name, target=[quirk], wants="failed", words=words, check=_one_try) for name, quirk, words in _REFUSALS),
        *(Case(f"once: {name}", target=[quirk]) for name, quirk in _PASSING),
        Case("once: a push is stored and answered by 504, and the tag is immutable", target=[_immutable(answers=504)]),
        Case(
            "a push is answered by 201, and the tag stays what it was",
            target=[_immutable(answers=201)],
            share=lambda target: put_image(target.store, COPY, "1", arch="s390x"),
            wants="failed",
            words=("the target has sha256:",),
        ),
        Case("once: too many requests by 403", source=[refuses(MANIFESTS, 403, "TOOMANYREQUESTS", times=2)]),
        *(
            Case(
                f"words in {name}",
                source=[says(HEADS, status), says(MANIFESTS, status, body, Content_Type=kind)],
                wants="failed",
                words=(words, str(status)),
                check=_one_try,
            )
            for name, status, body, kind, words in _WORDS
        ),
        *(
            Case(
                f"words of a push in {name}",
                target=[says(_PUT, status, body, Content_Type=kind)],
                wants="failed",
                words=(words,),
                check=_one_try,
            )
            for name, status, body, kind, words in _WORDS
        ),
    ]


def _lost(answered: bytes | None) -> Quirk:
    """jib#4301: the registry stores a blob, and says that it knows no such upload; or nothing at all."""
    left = 1

    def bend(ask: Ask, given: Answer) -> Answer | None:
        nonlocal left
        if left == 0:
            return None
        left = 0
        if answered is None:
            return refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        given.raw = answered
        return None

    return bends(asks("PUT", "upload"), bend)


def _immutable(answers: int) -> Quirk:
    """A tag that is there is not pushed again: `answers` tells that at first, then 412. With 201 none is pushed."""
    told = 0

    async def quirk(ask: Ask, following: Next) -> Answer:
        nonlocal told
        if not _PUT(ask) or ask.reference != "1":
            return await following(ask)
        told += 1
        if told > 1 and answers != 201:
            return refusal(412, "PRECONDITION", "configured as immutable")
        if answers != 201:
            await following(ask)
        return Answer(answers, b"", CIMultiDict({"Docker-Content-Digest": digest_of(ask.body)}))

    return quirk


#: What passes, and is no word for ever.
_PASSING: list[tuple[str, Quirk]] = [
    ("an upload that is not known any more", refuses(_BLOBS, 404, "BLOB_UPLOAD_UNKNOWN", times=1)),
    ("an upload that is out of step", says(_BLOBS, 416, times=1)),
    ("the end of an upload is said to be unknown (jib#4301)", _lost(None)),
    ("the end of an upload is not answered", _lost(b"")),
    ("a manifest whose blob is not known yet", refuses(_PUT, 404, "MANIFEST_BLOB_UNKNOWN", times=1)),
    ("a manifest at a time of too many", refuses(_PUT, 429, "TOOMANYREQUESTS", times=1, Retry_After="1")),
    ("storage that is full for a moment", says(_PUT, 507, times=1)),
]

_REFUSALS: list[tuple[str, Quirk, tuple[str, ...]]] = [
    ("413 of a proxy (gitea#33646)", says(_BLOBS, 413, _NGINX, Content_Type="text/html"), ("413|too large",)),
    ("413 for a manifest", says(_PUT, 413, _NGINX, Content_Type="text/html"), ("413|too large",)),
    (
        "immutable tag (kots#5940, Harbor)",
        refuses(_PUT, 412, "PRECONDITION", "Failed to process request due to 'app:1' configured as immutable."),
        ("immutable",),
    ),
    (
        "immutable tag, ECR",
        refuses(_PUT, 400, "TAG_INVALID", "The image tag '1' already exists and cannot be overwritten"),
        ("cannot be overwritten",),
    ),
    (
        "read-only (skopeo#745)",
        says(_BEGIN, 405, "Method not allowed\n", Content_Type="text/plain"),
        ("405|ethod not",),
    ),
    ("read-only with a code", refuses(_BEGIN, 405, "UNSUPPORTED", "The operation is unsupported."), ("unsupported",)),
    (
        "quota (Harbor)",
        refuses(_PUT, 403, "DENIED", "will exceed the configured upper limit of 10.0 GiB"),
        ("10.0 GiB",),
    ),
    ("no project", refuses(_BEGIN, 404, "NAME_UNKNOWN", "project copy not found"), ("project copy not found|404",)),
    (
        "no repository (ECR)",
        refuses(_BEGIN, 404, "NAME_UNKNOWN", "The repository does not exist"),
        ("does not exist|404",),
    ),
    (
        "denied to begin (GitLab)",
        refuses(_BEGIN, 403, "DENIED", "requested access to the resource is denied"),
        ("denied",),
    ),
    (
        "manifest invalid (oras#738, Quay)",
        refuses(_PUT, 400, "MANIFEST_INVALID", "manifest invalid"),
        ("manifest invalid",),
    ),
    ("unsupported type (Artifactory)", refuses(_PUT, 415, "UNSUPPORTED", "media type"), ("media type|415",)),
    ("payment", refuses(_BEGIN, 402, "DENIED", "plan has expired"), ("plan has expired|402",)),
    ("vulnerable (Harbor)", refuses(_PUT, 451, "DENIED", "policy says no"), ("policy says no|451",)),
    (
        "a login page for an upload",
        says(_BEGIN, 200, "<html>Sign in</html>", Content_Type="text/html"),
        ("200|upload",),
    ),
    ("no Location for an upload", says(_BEGIN, 202), ("upload|ocation",)),
]

_WORDS = [
    ("OCI's form", 403, '{"errors": [{"code": "DENIED", "message": "OCI words"}]}', "application/json", "OCI words"),
    ("error", 403, '{"error": "plain error"}', "application/json", "plain error"),
    ("error and message", 400, '{"error": {"message": "inner words"}}', "application/json", "inner words"),
    ("message", 403, '{"message": "the message", "status": 403}', "application/json", "the message"),
    ("detail", 400, '{"errors": [{"code": "X", "detail": {"message": "in detail"}}]}', "application/json", "in detail"),
    ("plain text", 403, "just text\nin two lines", "text/plain", "just text in two lines"),
    ("problem details", 403, '{"detail": "the detail", "title": "No"}', "a/b", "the detail"),
    ("problem details without a detail", 403, '{"title": "the title", "status": 403}', "a/b", "the title"),
    ("AWS's form", 403, '{"__type": "AccessDenied", "Message": "AWS words"}', "application/json", "AWS words"),
    ("a dictionary of errors", 403, '{"errors": {"code": 1, "msg": "msg words"}}', "application/json", "msg words"),
    ("text that says it is JSON", 403, "not JSON at all", "application/json", "not JSON at all"),
    ("JSON that says it is text", 403, '{"errors": [{"message": "hidden JSON"}]}', "text/plain", "hidden JSON"),
    ("several errors", 403, '{"errors": [{"message": "first"}, {"message": "second"}]}', "application/json", "first"),
    ("control characters", 403, '{"message": "bell\\u0007 and \\u001b[31mred"}', "application/json", "bell.*red"),
    (
        "a title",
        403,
        "<html><head><title>Blocked by the firewall</title></head></html>",
        "text/html",
        "the firewall|403",
    ),
]


def _one_try(played: Played) -> None:
    assert played.attempts <= 1, f"{played.attempts} attempts"
    assert "<html" not in played.error and "\x1b" not in played.error
    # Where skopeo's words do not tell, the direct relay tries.
    assert played.target.count("PUT", "/manifests/") <= (2 if played.relay == "skopeo" else 1), "pushed again"
