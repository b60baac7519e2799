"""What skopeo's output means: a typed error with skopeo's own reason, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable

from workers.relays.relay import RelayError, Side

#: (pattern, temporary); the first that matches decides. The texts are those of Go's net and crypto packages, of the
#: registry's error codes (OCI distribution-spec, "Error Codes"), and of containers/image.
_TOO_MANY = re.compile(r"toomanyrequests|too many requests|\b429\b", re.IGNORECASE)
_UNAUTHORIZED = re.compile(r"unauthorized|authentication required|invalid username/password|\b401\b", re.IGNORECASE)
#: What skopeo says while it writes; all else is about the source.
_WRITING = re.compile(r"destination|writing|uploading", re.IGNORECASE)
_CLASSES = [
    (r"\bdenied\b|\bforbidden\b|\b403\b", False),
    (r"manifest unknown|name unknown|blob unknown|not known to registry|\b404\b|not found$", False),
    (r"x509|certificate|HTTP response to HTTPS client", False),
    (r"no such host", True),
    (r"invalid reference format|invalid image name|unsupported (digest|schema|manifest)", False),
    (r"preserve digests|would invalidate|no image found in (image index|manifest list)", False),
]
_COMPILED = [(re.compile(pattern, re.IGNORECASE), temporary) for pattern, temporary in _CLASSES]
_FATAL = re.compile(r'level=(?:fatal|error) msg="((?:[^"\\]|\\.)*)"')
#: Longest reason kept, in characters; some registries answer with whole web pages.
LONGEST = 600


def error(output: str, returncode: int, names: Iterable[str] = ()) -> RelayError:
    """The error that skopeo's `output` tells of.

    References in `names` do not take part in classing: a repository may be called ``unauthorized``. What is in no
    known class counts as temporary: attempts are bounded, and a retry costs less than a lost image.
    """
    reason = _reason(output)
    if not reason:
        ended = f"by signal {-returncode}" if returncode < 0 else f"with exit code {returncode}"
        return RelayError(f"skopeo ended {ended} and gave no reason", temporary=True)
    bare = reason
    for part in sorted({part for name in names for part in _parts(name)}, key=len, reverse=True):
        bare = bare.replace(part, "")
    if _TOO_MANY.search(bare):
        side: Side = "target" if _WRITING.search(bare) else "source"
        return RelayError(f"skopeo: {reason}", temporary=True, refused_by=side)
    if _UNAUTHORIZED.search(bare):
        # The planner was let in a moment ago, so a token may have ended in the middle: once more, not often.
        return RelayError(f"skopeo: {reason}", temporary=True, most_attempts=2)
    temporary = next((verdict for pattern, verdict in _COMPILED if pattern.search(bare)), True)
    return RelayError(f"skopeo: {reason}", temporary=temporary)


def _reason(output: str) -> str:
    found = _FATAL.findall(output)
    if found:
        text = found[-1].replace('\\"', '"').replace("\\n", " ").replace("\\\\", "\\")
    else:
        lines = output.strip().splitlines()
        text = lines[-1] if lines else ""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _parts(name: str) -> list[str]:
    """A reference, and the pieces of it that skopeo shows alone."""
    repository = name.partition("@")[0]
    path = repository.partition("/")[2]
    plain, _, tag = path.rpartition(":")
    return [part for part in (name, repository, path, plain or path, tag) if len(part) > 3]
