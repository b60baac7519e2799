"""Why images fail: one reason for many images is reported once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dregsy_queue.ledger.jobs import JobResult
from dregsy_queue.ledger.outcome import RunFailure
from dregsy_queue.oci.reference import parts_of

_DIGEST = re.compile(r"sha256:[0-9a-f]{8,64}|sha512:[0-9a-f]{8,128}")
_SUBJECT = re.compile(r"(?:image|manifest) …(?:[ :@/]…)*: ")


@dataclass(frozen=True)
class Cause:
    """One reason, and how many images it stops; of a whole run that could not be planned `number` is 0."""

    #: for people, without what differs between the images
    text: str
    number: int
    #: one of the images, as source and target; "" where it is the whole run
    source: str
    target: str
    #: most attempts that one of them took; 0: it was not even planned
    attempts: int
    #: all targets, for looking up since when they wait
    targets: tuple[str, ...]

    @property
    def stops_run(self) -> bool:
        return not self.number


def causes(results: Iterable[JobResult], failure: RunFailure | None = None, *, status: str = "failed") -> list[Cause]:
    """`failure` of the run, then the reasons of the images among `results` that failed, or otherwise have this
    `status`, the most frequent first."""
    groups: dict[str, list[JobResult]] = {}
    for result in results:
        if result.status == status:
            groups.setdefault(generalised(result), []).append(result)
    found = []
    for text, members in groups.items():
        members.sort(key=lambda result: (result.source, result.target))
        first = members[0]
        shown = text if len(members) > 1 else first.error or "no reason given"
        found.append(
            Cause(
                shown,
                len(members),
                first.source,
                first.target,
                max(member.attempts for member in members),
                tuple(member.target for member in members),
            )
        )
    found.sort(key=lambda cause: (-cause.number, cause.text))
    return [Cause(failure.error or "no reason given", 0, "", "", 0, ()), *found] if failure else found


def generalised(result: JobResult) -> str:
    """The error without what is particular to this image: its references, repositories, tags and digests."""
    text = result.error or "no reason given"
    for reference in sorted({result.source, result.target} - {""}, key=len, reverse=True):
        text = text.replace(reference, "…")
        host, repository, tag, digest = parts_of(reference)
        for part in (f"{repository}:{tag}" if tag else "", repository, tag, digest):
            if part and part != host:
                # A number after a colon may be a port.
                text = re.sub(rf"(?<![\w./:-]){re.escape(part)}(?![\w/-]|\.\w)", "…", text)
    text = _DIGEST.sub("…", text)
    text = _SUBJECT.sub("", text, count=1)
    return f"the image {text[2:]}" if text.startswith("… ") else text
