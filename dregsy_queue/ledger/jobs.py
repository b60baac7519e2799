"""What a transfer job is, and how it can end: plain values, as they travel through Redis."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

from dregsy_queue.logs import scrub_line
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.reference import Reference

#: Made once: a run has many images.
_COMPACT = json.JSONEncoder(separators=(",", ":")).encode
#: Why an image is copied, or is not.
Reason = Literal["missing", "changed", "drifted", "up-to-date", "planning"]


@dataclass(frozen=True)
class TransferJob:
    """One image to copy; carries names and digests, never a secret.

    `source` and `target` are whole references (``registry/repository:tag`` or ``…@digest``).
    """

    source: str
    target: str
    #: as configured: "", "all" or "os/arch[/variant]"
    platform: str
    #: which relay copies it, a `kinds.RelayName`
    relay: str
    reason: Reason
    #: what `source` named when it was planned
    source_digest: Digest
    #: what is copied and must stand at the target: `source_digest`, or the one platform's manifest in it
    digest: Digest
    #: what it costs of the source's pull quota, as far as planning knows
    pulls: int = 1
    #: what refers to the image is copied along
    referrers: bool = False

    def to_json(self) -> str:
        return _COMPACT({field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_json(cls, text: str) -> TransferJob:
        """Fields that this release does not know are left out: a newer one may have written them.

        Raises: ValueError when it is no job that this release could run.
        """
        values = json.loads(text)
        known = {known.name for known in fields(cls)}
        try:
            return cls(**{name: value for name, value in values.items() if name in known})
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None

    @cached_property
    def source_reference(self) -> Reference:
        return Reference.parse_full(self.source)

    @cached_property
    def target_reference(self) -> Reference:
        return Reference.parse_full(self.target)

    def __str__(self) -> str:
        return f"{self.source} → {self.target}"


@dataclass(frozen=True)
class ShownJob:
    """What reports and status show of a transfer job, also of one of another release that this one could not run; ""
    for what it does not say."""

    source: str
    target: str
    reason: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> ShownJob:
        values = json.loads(text)
        given = values if isinstance(values, dict) else {}
        return cls(*(str(given.get(known.name) or "") for known in fields(cls)))


@dataclass(frozen=True)
class PlannedOutcome:
    """An image whose outcome planning knew already: it is up to date, or it cannot be planned (`error`).

    `unlisted`: it stands for all images of a repository or mapping, as nobody could tell which these are.
    """

    source: str
    target: str
    platform: str
    status: Literal["up-to-date", "failed"]
    reason: Reason
    digest: str = ""
    error: str = ""
    unlisted: bool = False

    def to_json(self) -> str:
        """Without secrets: `error` may quote a server."""
        error = scrub_line(self.error) if self.error else ""
        return _COMPACT({**vars(self), "error": error})


@dataclass(frozen=True)
class JobResult:
    """One image of a run as the report shows it."""

    source: str
    target: str
    #: "copied", "up-to-date", "failed", "cancelled"; while the run lasts also "waiting", "admitted", "running"
    status: str
    reason: str
    digest: str
    attempts: int
    seconds: float
    error: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class SyncRecord:
    """What was last copied to a target: this source digest, which left that target digest."""

    source_digest: Digest
    target_digest: Digest
    #: as the mapping had it then; None: not known
    platform: str | None = None
    #: seconds since the target was last seen to have it; None: not known. Kept apart, and only for `drift-check`
    age: float | None = field(default=None, compare=False)

    def is_about(self, platform: str) -> bool:
        """False when the mapping asks for another platform now: then the record says nothing of what shall be there."""
        return self.platform is None or self.platform == platform

    def __str__(self) -> str:
        platform = [] if self.platform is None else [self.platform]
        return " ".join([self.source_digest, self.target_digest, *platform])

    @classmethod
    def parse(cls, text: str) -> SyncRecord:
        source, _, rest = text.partition(" ")
        target, known, platform = rest.partition(" ")
        return cls(Digest(source), Digest(target), platform if known else None)


def run_of(job: str) -> str:
    """The run of a job, by its id."""
    return job.partition(":")[0]


def job_id(run: str, source: str, target: str, platform: str) -> str:
    """The same image of the same run has the same id, however often it is planned."""
    name = "\0".join((source, target, platform)).encode()
    return f"{run}:{hashlib.sha256(name).hexdigest()[:16]}"


def shard_id(run: str, epoch: int, images: str) -> str:
    """Of the part with these `images` in an attempt at a plan: an id of its own by what is in it, not by its turn."""
    return f"{run}:shard-{epoch}-{hashlib.sha256(images.encode()).hexdigest()[:16]}"
