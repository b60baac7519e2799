"""Cases: a source and a target that are bent, one task between them, and all of them in one call of the product."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.lab.dregsy import Outcome, auth, location, mapping, sync, task, write_config
from tests.lab.odd.content import put_image
from tests.lab.odd.exchange import Quirk
from tests.lab.odd.quirks import LOGIN
from tests.lab.odd.registry import OddRegistry
from tests.lab.odd.store import Store

REPOSITORY, COPY = "lib/app", "copy/app"


@dataclass
class Case:
    """What is asked for, and what must come of it. Made anew for each run: quirks remember.

    `name` ends with the report that tells of it. `put` fills the source. `words`: what the error says. `check` looks at
    what else must hold.
    """

    name: str
    source: Sequence[Quirk] = ()
    target: Sequence[Quirk] = ()
    put: Callable[[Store, str, str], object] = put_image
    #: who signs in
    login: Literal["", "source", "target", "both"] = ""
    platform: str = ""
    tags: tuple[str, ...] = ("1",)
    wants: Literal["copied", "failed", "up-to-date", "nothing"] = "copied"
    words: tuple[str, ...] = ()
    check: Callable[[Played], None] = lambda played: None
    #: the target's digest is not the source's: one image of an index
    digest: Callable[[Played], str | None] | None = None
    from_: str = REPOSITORY
    to: str = COPY
    #: a registry to be called otherwise than by its address
    hosts: Callable[[OddRegistry, OddRegistry], tuple[str, str]] = lambda source, target: (source.host, target.host)
    #: only with this relay
    relay: str = ""
    #: is given the target before the run
    share: Callable[[OddRegistry], object] = lambda target: None


@dataclass
class Played:
    """A case that was run."""

    case: Case
    source: OddRegistry
    target: OddRegistry
    relay: str
    jobs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def error(self) -> str:
        return " | ".join(job["error"] for job in self.jobs if job["error"])

    @property
    def attempts(self) -> int:
        return max((job["attempts"] for job in self.jobs), default=0)

    def verify(self) -> None:
        """Raises: AssertionError."""
        case, told = self.case, f"{self.relay}: {self.jobs}"
        if case.wants == "nothing":
            assert self.jobs == [], told
        else:
            assert self.jobs and {job["status"] for job in self.jobs} == {case.wants}, told
        if case.wants == "copied":
            for tag in case.tags if not any(":" in tag for tag in case.tags) else ():
                want = case.digest(self) if case.digest else self.source.store.digest(REPOSITORY, tag)
                assert self.target.store.digest(COPY, tag) == want, told
        for word in case.words:
            assert re.search(word, self.error), f"'{word}' is not in: {told}"
        assert all(job["error"].isprintable() for job in self.jobs), told
        case.check(self)


def play(folder: Path, cases: Sequence[Case], relay: str, **env: str) -> tuple[dict[str, Played], Outcome]:
    """Run all cases in one call, by this relay."""
    played: dict[str, Played] = {}
    tasks = []
    for case in cases:
        if case.relay not in ("", relay):
            continue
        source, target = OddRegistry(*case.source), OddRegistry(*case.target)
        case.share(target)
        for tag in case.tags:
            case.put(source.store, REPOSITORY, tag)
        assert case.name not in played, f"two cases are called {case.name}"
        played[case.name] = Played(case, source, target, relay)
        tasks.append(_task(case, source, target))
    config = write_config(folder, *tasks, relay=relay, lister={"maxItems": -1})
    outcome = sync(config, env={"DREGSY_BACKOFF": "0.05", "LOG_FORMAT": "text", **env})
    assert outcome.report, outcome.stderr[-2000:]
    for name, found in outcome.report.get("tasks", {}).items():
        played[name].jobs = found["jobs"]
    return played, outcome


def _task(case: Case, source: OddRegistry, target: OddRegistry) -> dict[str, Any]:
    signed, nobody = {"auth": auth(*LOGIN)}, {"auth": "none"}
    from_host, to_host = case.hosts(source, target)
    options = {"platform": case.platform} if case.platform else {}
    return task(
        case.name,
        location(from_host, **(signed if case.login in ("source", "both") else nobody)),
        location(to_host, **(signed if case.login in ("target", "both") else nobody)),
        mapping(case.from_, case.to, case.tags, **options),
    )


def stop(played: Iterable[Played]) -> None:
    for found in played:
        found.source.stop()
        found.target.stop()
