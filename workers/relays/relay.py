"""What a relay is: it copies one image, given by digest, from registry to registry."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from dregsy_queue.errors import DregsyError
from dregsy_queue.oci.login import Credentials
from dregsy_queue.oci.platform import Platform
from dregsy_queue.oci.reference import Reference
from dregsy_queue.registry.client import RegistryClient
from workers.cluster_blobs import ClusterBlobs
from workers.meters import Meter

Side = Literal["source", "target"]


RelayProblem = Literal[
    #: something that may pass
    "failed",
    #: it stood still and was ended
    "stalled",
    #: will be the same next time
    "refused",
    #: what was to be copied as one image is an index of several
    "index",
    #: a login was not accepted
    "unauthorized",
    #: the registry of `side` answered "too many requests"
    "rate-limited",
    #: this worker cannot run the relay at all (any more)
    "missing",
    #: the same, but it may start working by itself
    "away",
]


class RelayError(DregsyError):
    """A copy failed; `side`: which registry it is about, where that is known."""

    def __init__(self, message: str, kind: RelayProblem = "failed", side: Side | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.side = side
        self.temporary = kind not in ("refused", "missing")


@dataclass(frozen=True)
class Access:
    """How to talk to one registry."""

    #: None: anonymous
    credentials: Credentials | None
    #: unverified HTTPS, or plain HTTP where the registry speaks it
    skip_tls_verify: bool
    #: folder with CA and client certificates of this registry; None if it does not exist
    certificates: Path | None
    #: the registry's API with this login, for a relay that needs no program
    client: RegistryClient


@dataclass(frozen=True)
class Copy:
    """One image to copy, from a digest to a tag or a digest."""

    source: Reference
    target: Reference
    source_access: Access
    target_access: Access
    #: every platform of an index, not just the manifest named
    all_platforms: bool
    #: planning has read the manifest, so it is an image, and not an index that its registry calls one
    is_read: bool = False
    #: of an index only these, as an index of their own; none: see `all_platforms`
    platforms: tuple[Platform, ...] = ()
    #: the target's tag names something else now, so the target may have parts of the image
    replaces: bool = False
    #: earlier attempts failed, although the target says that it has all that the image names
    distrusts: bool = False
    #: of which run it is; "": of none. What a target had in an earlier one may be deleted by now
    run: str = ""
    #: what refers to the image is copied along; only the direct relay is asked for it
    referrers: bool = False
    #: where a relay that can tell says how many bytes have moved
    meter: Meter = field(default_factory=Meter, compare=False)
    #: what other workers know of blobs at targets; None: there are no others
    others: ClusterBlobs | None = field(default=None, compare=False)


@dataclass(frozen=True)
class CopyResult:
    """What a relay knows of a copy that succeeded."""

    #: what the relay printed, without secrets
    output: str
    #: what the target has now; None: what was to be copied
    digest: str | None = None
    #: bytes that the relay sent to the target; None: it does not know
    sent: int | None = None
    #: the target itself named the digest of what was pushed
    confirmed: bool = False


class Relay(Protocol):
    @property
    def kind(self) -> str:
        """As jobs and queues name it."""

    async def problem(self) -> str | None:
        """Why this relay cannot work here, as a sentence; None when it can."""

    async def copy(self, copy: Copy) -> CopyResult:
        """Copy the image.

        Raises:
            RelayError: it did not succeed.
        """
