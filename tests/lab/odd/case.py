"""Cases: a source and a target that are bent, one task between them, and all of them in one call of the product."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
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


#: Sections of a file of logins, for a host.
Login = Callable[[str], Mapping[str, Mapping[str, object]]]


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
    #: what this machine's file of logins has for the source, and the program of the credential helper that is called
    #: "lab" there, in `sh`
    machine: Login | None = None
    helper: str = ""
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


#: A case and the relay it is played with; the name of its task.
Key = tuple[str, str]
Cases = Mapping[str, Sequence[Case]]


@dataclass
class Run:
    """Cases that were played in one call. `outcome` has no report where the call itself failed."""

    played: dict[Key, Played]
    outcome: Outcome

    @property
    def problem(self) -> str:
        """What is wrong with the call, whatever became of its cases; '' for nothing."""
        told = f"exit code {self.outcome.code}; its log ends: {self.outcome.stderr[-4000:]}"
        if not self.outcome.report:
            return f"no report, {told}"
        return f"a traceback, {told}" if "Traceback" in self.outcome.stderr else ""


def play(folder: Path, cases: Cases, *, timeout: float = 600, **env: str) -> Run:
    """Run cases in one call of the product, by relay; each relay has its own, as quirks remember.

    `timeout`: seconds for the whole call, after which it is ended.
    """
    played: dict[Key, Played] = {}
    tasks = []
    for relay, several in cases.items():
        for case in several:
            if case.relay not in ("", relay):
                continue
            source, target = OddRegistry(*case.source), OddRegistry(*case.target)
            case.share(target)
            for tag in case.tags:
                case.put(source.store, REPOSITORY, tag)
            assert (relay, case.name) not in played, f"two cases are called {case.name}"
            played[relay, case.name] = Played(case, source, target, relay)
            tasks.append(_task(case, source, target, relay))
    folder.mkdir(parents=True, exist_ok=True)
    env = {**_machine(folder, played.values()), **env}
    config = write_config(folder, *tasks, lister={"maxItems": -1})
    try:
        outcome = sync(config, env={"DREGSY_BACKOFF": "0.05", "LOG_FORMAT": "text", **env}, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        said = error.stderr if isinstance(error.stderr, bytes) else b""
        outcome = Outcome(-1, "", f"{said.decode(errors='replace')}\nended after {timeout:.0f} s")
    (folder / "stderr").write_text(outcome.stderr)
    for (relay, name), found in played.items():
        task_of = outcome.report.get("tasks", {}).get(f"{relay}: {name}", {})
        found.jobs = task_of.get("jobs", [])
    return Run(played, outcome)


def _machine(folder: Path, played: Iterable[Played]) -> dict[str, str]:
    """A machine with the logins of all cases: the environment that makes one of it."""
    document: dict[str, dict[str, object]] = {"auths": {}, "credHelpers": {}}
    programs = folder / "bin"
    programs.mkdir()
    for one in played:
        host = one.source.host
        helper = f"lab-{one.source.port}"
        for section, entries in (one.case.machine(host) if one.case.machine else {}).items():
            for key, entry in entries.items():
                document[section][key] = helper if entry == "lab" else entry
        if one.case.helper:
            program = programs / f"docker-credential-{helper}"
            program.write_text(f"#!/bin/sh\n{one.case.helper}\n")
            program.chmod(0o700)
    (folder / "config.json").write_text(json.dumps(document))
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def _task(case: Case, source: OddRegistry, target: OddRegistry, relay: str) -> dict[str, Any]:
    signed, nobody = {"auth": auth(*LOGIN)}, {"auth": "none"}
    from_host, to_host = case.hosts(source, target)
    options = {"platform": case.platform} if case.platform else {}
    return task(
        f"{relay}: {case.name}",
        location(from_host, **({} if case.machine else signed if case.login in ("source", "both") else nobody)),
        location(to_host, **(signed if case.login in ("target", "both") else nobody)),
        mapping(case.from_, case.to, case.tags, **options),
        relay=relay,
    )


def stop(played: Iterable[Played]) -> None:
    for found in played:
        found.source.stop()
        found.target.stop()
