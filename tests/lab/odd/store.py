"""What a registry in memory holds, and how it answers when nothing bends it (OCI distribution-spec)."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from tests.lab.odd.exchange import Answer, Ask, answer, refusal

#: As images are served when a test says nothing else.
OCTETS = "application/octet-stream"


def digest_of(body: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def digest_of_manifest(body: bytes) -> str:
    """Of Docker's first schema: of what is signed, which is the document as it was before it had signatures."""
    signed, signatures, _ = body.partition(b',\n   "signatures":')
    return digest_of(signed + b"\n}" if signatures else body)


@dataclass
class Store:
    #: repository and reference → media type, body
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)

    def tags(self, repository: str) -> list[str]:
        return sorted(reference for name, reference in self.manifests if name == repository and ":" not in reference)

    def digest(self, repository: str, reference: str) -> str | None:
        found = self.manifests.get((repository, reference))
        return digest_of_manifest(found[1]) if found else None

    def put_manifest(self, repository: str, reference: str, media_type: str, body: bytes) -> str:
        """Under its digest, too; returns that."""
        digest = digest_of_manifest(body)
        self.manifests[repository, reference] = self.manifests[repository, digest] = (media_type, body)
        return digest

    def put_blob(self, repository: str, body: bytes, algorithm: str = "sha256") -> str:
        digest = digest_of(body, algorithm)
        self.blobs[repository, digest] = body
        return digest

    def answer(self, ask: Ask) -> Answer:
        match ask.kind:
            case "base":
                return answer(200, {})
            case "catalog":
                names = sorted({name for name, _ in self.manifests})
                return self._page(ask, names, "repositories", {})
            case "tags":
                tags = self.tags(ask.repository)
                if not any(name == ask.repository for name, _ in self.manifests):
                    return refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
                return self._page(ask, tags, "tags", {"name": ask.repository})
            case "manifest":
                return self._put_manifest(ask) if ask.method == "PUT" else self._manifest(ask)
            case "uploads":
                return self._begin(ask)
            case "upload":
                return self._upload(ask)
            case "blob":
                return self._blob(ask)
        return refusal(404, "UNSUPPORTED", "no such endpoint")

    def _page(self, ask: Ask, names: list[str], key: str, more: dict[str, str]) -> Answer:
        size, last = int(ask.query.get("n", 0)), ask.query.get("last", "")
        rest = [name for name in names if name > last]
        page = rest[:size] if size else rest
        found = answer(200, {**more, key: page})
        if len(page) < len(rest):
            found.headers["Link"] = f'<{ask.path}?n={size}&last={page[-1]}>; rel="next"'
        return found

    def _manifest(self, ask: Ask) -> Answer:
        found = self.manifests.get((ask.repository, ask.reference))
        if found is None:
            return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
        given = Answer(200, found[1])
        given.headers["Content-Type"] = found[0]
        algorithm = ask.reference.partition(":")[0] if ":" in ask.reference else "sha256"
        digest = digest_of_manifest(found[1]) if algorithm == "sha256" else digest_of(found[1], algorithm)
        given.headers["Docker-Content-Digest"] = digest
        return given

    def _put_manifest(self, ask: Ask) -> Answer:
        digest = self.put_manifest(ask.repository, ask.reference, ask.headers.get("Content-Type", ""), ask.body)
        return answer(201, Docker_Content_Digest=digest, Location=ask.path)

    def _begin(self, ask: Ask) -> Answer:
        mount, origin = ask.query.get("mount", ""), ask.query.get("from", "")
        if mount and (body := self.blobs.get((origin or ask.repository, mount))) is not None:
            self.blobs[ask.repository, mount] = body
            place = f"/v2/{ask.repository}/blobs/{mount}"
            return answer(201, Docker_Content_Digest=mount, Location=place)
        name = secrets.token_hex(8)
        self.uploads[name] = bytearray()
        return answer(202, Location=f"/v2/{ask.repository}/blobs/uploads/{name}", Docker_Upload_UUID=name, Range="0-0")

    def _upload(self, ask: Ask) -> Answer:
        held = self.uploads.get(ask.reference)
        if held is None:
            return refusal(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if ask.method == "DELETE":
            return answer(204)
        held += ask.body
        if ask.method != "PUT":
            return answer(202, Location=ask.path, Range=f"0-{max(0, len(held) - 1)}")
        wanted, body = ask.query.get("digest", ""), bytes(held)
        if digest_of(body, wanted.partition(":")[0] or "sha256") != wanted:
            return refusal(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        del self.uploads[ask.reference]
        self.blobs[ask.repository, wanted] = body
        return answer(201, Docker_Content_Digest=wanted, Location=f"/v2/{ask.repository}/blobs/{wanted}")

    def _blob(self, ask: Ask) -> Answer:
        body = self.blobs.get((ask.repository, ask.reference))
        if body is None:
            return refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")
        found = Answer(200, body)
        found.headers.update({"Content-Type": OCTETS, "Docker-Content-Digest": ask.reference})
        if asked := re.fullmatch(r"bytes=(\d+)-", ask.headers.get("Range", "")):
            start = int(asked[1])
            if start >= len(body):
                return answer(416)
            found.status, found.body = 206, body[start:]
            found.headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return found
