"""Odd registries by chance: what skopeo copies, we copy, with the same digest; what nobody can, is said once.

make fuzz-registries FUZZ="--seed 1 --count 50"
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.dregsy import auth, location, mapping, sync, task, write_config
from tests.lab.odd.quirks import LOGIN
from tests.lab.odd.registry import OddRegistry
from tests.lab.odd.scenarios import COPY, REPOSITORY, SOURCES, TARGETS, USER, Scenario, Side, scenario
from tests.lab.processes import tool

RELAYS = ("skopeo", "direct")
#: Seconds for one call of skopeo: it waits by itself when it is refused.
_PATIENCE = 60


@dataclass
class Pair:
    """A source and a target of one scenario, made anew for each who tries."""

    scenario: Scenario
    source: OddRegistry = field(init=False)
    target: OddRegistry = field(init=False)

    def __post_init__(self) -> None:
        self.source = OddRegistry(*self.scenario.source.make(SOURCES))
        self.target = OddRegistry(*self.scenario.target.make(TARGETS))
        self.scenario.fill(self.source.store)

    def copied(self) -> set[str]:
        """Tags that the target has just as the source has them."""
        return {
            tag
            for tag in self.scenario.tags
            if self.target.store.digest(COPY, tag) == self.source.store.digest(REPOSITORY, tag)
        }

    def stop(self) -> None:
        self.source.stop()
        self.target.stop()


@dataclass(frozen=True)
class Oracle:
    """What skopeo can do: tags that it copies, and whether it can list them."""

    copies: set[str]
    #: what it lists; None where it cannot
    lists: set[str] | None
    words: str


def ask_skopeo(one: Scenario) -> Oracle:
    pair, words = Pair(one), ""
    try:
        listed = _skopeo("list-tags", "--tls-verify=false", *_login("", one.source), _at(pair.source, REPOSITORY))
        for tag in one.tags:
            options = ["--all", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"]
            options += [*_login("src-", one.source), *_login("dest-", one.target)]
            names = _at(pair.source, REPOSITORY, tag), _at(pair.target, COPY, tag)
            done = _skopeo("copy", *options, *names)
            words += done.stderr.strip()[-300:] if done.returncode else ""
        # What is null in a list, skopeo calls ''.
        tags = set(json.loads(listed.stdout)["Tags"]) - {""} if listed.returncode == 0 else None
        return Oracle(pair.copied(), tags, words)
    finally:
        pair.stop()


def _skopeo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [tool("skopeo"), "--insecure-policy", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)


def _login(side: str, who: Side) -> list[str]:
    return [f"--{side}creds={USER}"] if who.signs_in else [f"--{side}no-creds"]


def _at(registry: OddRegistry, repository: str, tag: str = "") -> str:
    return f"docker://{registry.host}/{repository}{':' + tag if tag else ''}"


def differences(scenarios: Sequence[Scenario], folder: Path) -> tuple[list[str], str]:
    """What we do otherwise than we should, a line each; and how much was copied."""
    with ThreadPoolExecutor(2) as pool:
        oracles = dict(zip(scenarios, pool.map(ask_skopeo, scenarios), strict=True))
    pairs = {(one, relay): Pair(one) for one in scenarios for relay in RELAYS}
    tasks = [_task(one, relay, pair) for (one, relay), pair in pairs.items()]
    try:
        outcome = sync(write_config(folder, *tasks), env={"DREGSY_BACKOFF": "0.05", "LOG_FORMAT": "text"}, timeout=600)
        (folder / "stderr").write_text(outcome.stderr)
        assert outcome.report, outcome.stderr[-2000:]
        found = ["a traceback" for _ in range(outcome.stderr.count("Traceback"))]
        failed = False
        for (one, relay), pair in pairs.items():
            jobs = outcome.report["tasks"][_name(one, relay)]["jobs"]
            failed |= any(job["status"] == "failed" for job in jobs)
            found += [f"{one} ({relay}): {what}" for what in _judge(one, oracles[one], pair, jobs)]
        if outcome.code != (1 if failed else 0):
            found.append(f"exit code {outcome.code}")
        numbers = [
            f"{relay} {sum(len(pair.copied()) for (_, other), pair in pairs.items() if other == relay)}"
            for relay in RELAYS
        ]
        images = sum(len(one.tags) for one in scenarios)
        by_skopeo = sum(len(oracle.copies) for oracle in oracles.values())
        return found, f"of {images} images skopeo itself copies {by_skopeo}, we by relay: {', '.join(numbers)}"
    finally:
        for pair in pairs.values():
            pair.stop()


def _judge(one: Scenario, oracle: Oracle, pair: Pair, jobs: list[dict[str, Any]]) -> list[str]:
    found = []
    errors = [job["error"] for job in jobs if job["status"] == "failed"]
    # Where nobody can list, what was copied must still be right.
    named = (oracle.lists or set()) if one.lists else set(one.tags)
    wanted = oracle.copies & named
    copied = pair.copied()
    if not wanted <= copied:
        found.append(f"skopeo copies {sorted(wanted)}, we {sorted(copied)}: {errors}")
    said = {job["target"].rpartition(":")[2] for job in jobs if job["status"] in ("copied", "up-to-date")}
    if said != copied:
        found.append(f"said to be copied: {sorted(said)}, and there: {sorted(copied)}")
    if not named <= copied and not errors:
        found.append("not all is there, and no error")
    found += [
        f"{job['attempts']} attempts, error: {job['error']} (skopeo: {oracle.words})"
        for job in jobs
        if job["status"] == "failed" and (job["attempts"] > 1 + one.passing or not _is_line(job["error"]))
    ]
    return found


def _is_line(error: str) -> bool:
    return bool(error) and error.isprintable() and "<html" not in error


def _name(one: Scenario, relay: str) -> str:
    return f"{one.seed}-{relay}"


def _task(one: Scenario, relay: str, pair: Pair) -> dict[str, Any]:
    tags = ["semver: >=0.0.0"] if one.lists else list(one.tags)
    sides = [
        location(registry.host, auth=auth(*LOGIN) if side.signs_in else "none")
        for registry, side in ((pair.source, one.source), (pair.target, one.target))
    ]
    return task(_name(one, relay), *sides, mapping(REPOSITORY, COPY, tags, platform="all"), relay=relay)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=1, help="of the first registry; the others follow")
    parser.add_argument("--count", type=int, default=50)
    options = parser.parse_args()
    scenarios = [scenario(seed) for seed in range(options.seed, options.seed + options.count)]
    with tempfile.TemporaryDirectory(prefix="fuzz-registries-") as folder:
        found, numbers = differences(scenarios, Path(folder))
    for line in found:
        print(line)
    print(f"seeds {options.seed} to {options.seed + options.count - 1}: {numbers}; {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
