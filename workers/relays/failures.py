"""What relays say when they fail: typed errors, from the texts that Go programs and registries use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from dregsy_queue.oci.reference import Reference
from dregsy_queue.redact import scrub
from workers.relays.relay import RelayError, Side

_TOO_MANY = re.compile(r"toomanyrequests|too many requests|\b429\b", re.IGNORECASE)
_UNAUTHORIZED = re.compile(
    r"unauthorized|authentication required|invalid username/password|no basic auth credentials|\b401\b", re.IGNORECASE
)
#: Errors that will not pass. The texts are those of Go's net and crypto packages, of the registry's error codes
#: (OCI distribution-spec, "Error Codes"), of containers/image and of the Docker daemon.
_PERMANENT = re.compile(
    r"\bdenied\b|\bforbidden\b|\b403\b"
    r"|manifest unknown|name unknown|blob unknown|not known to registry|\b404\b|not found$|manifest for .* not found"
    r"|x509|certificate|HTTP response to HTTPS client"
    r"|invalid reference format|invalid image name|\bunsupported(:| digest| schema| manifest)|no matching manifest"
    # what a proxy or a registry refuses for good: sizes, immutable tags, read-only registries
    r"|\b(400|405|406|410|411|412|413|414|415|422|431|451)\b|too large|precondition|immutable|cannot be overwritten"
    r"|read-only|method not allowed|operation is unsupported|tag ?_?invalid|manifest invalid"
    r"|preserve digests|would invalidate|no image found in (image index|manifest list)",
    re.IGNORECASE,
)
#: What a registry says of a manifest whose layers another upload touches at that very moment: it passes.
_BLOB_GONE = re.compile(r"blob unknown|digest invalid", re.IGNORECASE)
_PAGE = re.compile(r"<(?:!doctype|html|head|body|title)\b", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,200}(?:>|$)|<\.\.\.$")
#: Longest reason kept, in characters; some registries answer with whole web pages.
LONGEST = 600


def error_of(program: str, reason: str, *, names: Iterable[Reference], side: Side) -> RelayError:
    """The error that `reason` tells of; `side` is the registry that it is about.

    References in `names` do not take part in classing: a repository may be called ``unauthorized``. An unknown
    error counts as temporary: attempts are bounded, and a retry costs less than a lost image.
    """
    reason = one_line(without_markup(scrub(reason)))
    bare = reason
    for part in sorted({part for name in names for part in _parts(name)}, key=len, reverse=True):
        # A short one, as the tag 404, may be a part of any word.
        bare = bare.replace(part, "") if len(part) > 3 else re.sub(rf"(?<![\w.-]){re.escape(part)}(?![\w.-])", "", bare)
    text = f"{program}: {reason}"
    if _TOO_MANY.search(bare):
        return RelayError(text, "rate-limited", side)
    if _UNAUTHORIZED.search(bare):
        return RelayError(text, "unauthorized", side)
    if side == "target" and _BLOB_GONE.search(bare):
        return RelayError(text, "failed", side)
    return RelayError(text, "refused" if _PERMANENT.search(bare) else "failed", side)


def without_markup(text: str) -> str:
    """`text` without the tags of a web page, which relays show in part; its words stay."""
    return _TAG.sub(" ", text.replace("\\r", " ").replace("\\n", " ")) if _PAGE.search(text) else text


def one_line(text: str) -> str:
    """`text` in one printable line of at most `LONGEST` characters."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _parts(name: Reference) -> list[str]:
    """A reference, and the pieces of it that programs show alone."""
    tagged = replace(name, digest=None)
    parts = (str(name), str(tagged), str(tagged).removeprefix(f"{name.registry}/"), name.repository, name.tag or "")
    return [part for part in (*parts, name.registry) if part]
