"""What a quirk sees of a request, and what it makes an answer of."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from multidict import CIMultiDict, CIMultiDictProxy, MultiMapping

_PATHS = {
    "tags": re.compile(r"/v2/(?P<repository>.+)/tags/list"),
    "manifest": re.compile(r"/v2/(?P<repository>.+)/manifests/(?P<reference>[^/]+)"),
    "uploads": re.compile(r"/v2/(?P<repository>.+)/blobs/uploads/"),
    "upload": re.compile(r"/v2/(?P<repository>.+)/blobs/uploads/(?P<reference>[^/]+)"),
    "blob": re.compile(r"/v2/(?P<repository>.+)/blobs/(?P<reference>[^/]+)"),
    "catalog": re.compile(r"/v2/_catalog"),
    "base": re.compile(r"/v2/?"),
}


@dataclass(frozen=True)
class Ask:
    """`kind`: base, catalog, tags, manifest, blob, uploads, upload, or other."""

    method: str
    path: str
    query: MultiMapping[str]
    headers: CIMultiDictProxy[str]
    body: bytes
    #: host and port that it came to
    host: str
    kind: str
    repository: str = ""
    reference: str = ""

    @property
    def writes(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class Answer:
    """`cut`: bytes of the body after which the connection ends. `raw`: what is sent instead of all this."""

    status: int = 200
    body: bytes = b""
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    cut: int | None = None
    raw: bytes | None = None


Next = Callable[[Ask], Awaitable[Answer]]
#: Answers a request, itself or by the next one.
Quirk = Callable[[Ask, Next], Awaitable[Answer]]


def kind_of(path: str) -> tuple[str, str, str]:
    """Kind, repository and reference that a path names."""
    for kind, pattern in _PATHS.items():
        if found := pattern.fullmatch(path):
            parts = found.groupdict()
            return kind, parts.get("repository", ""), parts.get("reference", "")
    return "other", "", ""


def answer(status: int = 200, document: object = None, **headers: str) -> Answer:
    """A document as JSON; names of headers in Python's spelling."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if document is None:
        return Answer(status, b"", CIMultiDict(named))
    return Answer(status, json.dumps(document).encode(), CIMultiDict({"Content-Type": "application/json", **named}))


def refusal(status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """An error as OCI's "Error Codes" has it."""
    found = answer(status, {"errors": [{"code": code, "message": message or code.lower()}]})
    found.headers.update(headers or {})
    return found
