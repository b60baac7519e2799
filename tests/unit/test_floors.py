"""The floors of the house: nobody imports from above, and some rooms have no door between them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: From the ground up. Rooms on the same floor do not import each other.
FLOORS = [
    {"version", "prefix", "errors", "redact", "clock", "backoff", "concurrency", "loading", "oci"}
    | {"terminal", "child_process"},
    {"kinds", "logs", "matching"},
    {"ledger"},
    {"settings"},
    {"config", "registry", "notify"},
    {"access"},
    {"planning"},
    {"worker_options", "broker"},
    {"celery"},
    {"dispatch"},
    {"scheduling"},
    {"serve", "embedded"},
    {"cli"},
    {"workers"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
#: Beyond what floors say: who knows nothing of whom.
STRANGERS = {
    "oci": set(FLOOR) - {"oci"},
    "matching": set(FLOOR) - {"matching", "oci", "errors"},
    "ledger": {"config", "registry"},
    "registry": {"ledger"},
    # workers know of scheduling how a run is started: an order of an operator is carried out by whoever sees it
    "workers": {"serve", "embedded", "cli"},
}
#: Files that only compute: they load nothing that talks to the outside.
PURE = [
    "dregsy_queue.oci.reference",
    "dregsy_queue.matching.tags",
    "dregsy_queue.matching.paths",
    "dregsy_queue.planning.decision",
    "dregsy_queue.planning.pulls",
    "dregsy_queue.ledger.jobs",
    "dregsy_queue.ledger.outcome",
]
OUTSIDE = {"redis", "aiohttp", "celery", "kombu", "requests", "docker", "boto3", "subprocess", "socket"}


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("dregsy_queue", "workers"):
        for path in (ROOT / package).rglob("*.py"):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


def room(module: str) -> str:
    """``ledger`` of ``dregsy_queue.ledger.claims``; the package itself holds the version."""
    top, _, rest = module.partition(".")
    return top if top == "workers" else rest.partition(".")[0] or "version"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or node.module, "relative imports name their module"
            if node.module in ("dregsy_queue", "workers"):
                yield from (f"{node.module}.{name.name}" for name in node.names)
            elif node.module:
                yield node.module


def test_every_room_is_on_a_floor() -> None:
    assert {room(module) for module, _ in modules()} <= set(FLOOR)


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=[module for module, _ in modules()])
def test_nobody_imports_from_above(module: str, path: Path) -> None:
    here = room(module)
    for name in imports(path):
        if name.partition(".")[0] not in ("dregsy_queue", "workers"):
            continue
        there = room(name) if room(name) in FLOOR else "version"
        if there == here:
            continue
        assert FLOOR[there] < FLOOR[here], f"{module} imports {name}, which is not below it"
        assert there not in STRANGERS.get(here, set()), f"{module} must not know {name}"


@pytest.mark.parametrize("module", PURE)
def test_pure_files_load_nothing_that_talks(module: str) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not OUTSIDE & set(loaded)
