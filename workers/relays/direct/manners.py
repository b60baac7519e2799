"""What is a registry like, as far as its answers have shown? Remembered in this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from dregsy_queue.registry import responses
from dregsy_queue.registry.blobs import Upload
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.responses import Answer

MIB = 2**20
#: Sizes of chunks that are tried in turn, in bytes: GitHub's registry takes 4 MiB, common proxies 1 MiB.
CHUNKS = (8 * MIB, 4 * MIB, MIB, MIB // 2)
#: Biggest chunk, whatever a registry wants: each is held in memory. S3's least part is 5 MiB.
BIGGEST_CHUNK = 64 * MIB
#: Answers to a streamed PUT after which a PATCH and an empty PUT are tried, as Docker and skopeo send them.
_NO_PUT = (400, 404, 405, 411, 415, 501)


@dataclass(frozen=True)
class Way:
    """How bodies are sent: one PUT; one PATCH; or chunks, of which size."""

    kind: Literal["put", "patch", "chunks"]
    #: which of `CHUNKS`
    chunk: int = 0

    def chunk_size(self, upload: Upload) -> int:
        return max(CHUNKS[self.chunk], min(upload.least_chunk, BIGGEST_CHUNK))


@dataclass
class Manners:
    #: it can be asked for a mount by the POST that opens an upload
    mounts: bool = True
    #: it can be asked by HEAD whether it has a blob
    heads: bool = True
    #: it once answered such a POST with "there already" for a blob of the same repository
    tells: bool = False
    way: Way = Way("put")
    #: blobs sent in one PUT so far: such a registry is not taken for one that refuses it
    sent: int = field(default=0, repr=False)

    def learn(self, answer: Answer, tried: Way, registry: str, what: str) -> None:
        """Learn from a body that was refused, so that the next attempt differs.

        Raises: RegistryError: there is nothing to learn; it says whether to try again.
        """
        following = _following(tried, answer, proven=self.sent > 0)
        if following is not None:
            # Others may have learned the same meanwhile.
            self.way = following if self.way == tried else self.way
        elif answer.status in (400, 401, 404, 416):
            # An upload that is gone, a token that ended on the way, or bytes that were damaged there.
            error = responses.error(answer, registry, what)
            raise RegistryError(str(error), kind="unavailable", temporary=True, registry=registry)
        else:
            raise responses.error(answer, registry, what)


def _following(tried: Way, answer: Answer, *, proven: bool) -> Way | None:
    # 416 is about ranges, and some say it of sizes.
    if answer.status == 413 or (answer.status == 416 and b"too large" in answer.body.lower()):
        chunk = tried.chunk + 1 if tried.kind == "chunks" else 0
        return Way("chunks", chunk) if chunk < len(CHUNKS) else None
    if tried.kind == "put" and answer.status in _NO_PUT and not proven and b"_INVALID" not in answer.body:
        return Way("patch")
    return None
