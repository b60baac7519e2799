"""Names that the documentation gives exist, and what exists is told: variables, tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dregsy_queue import settings
from tests.unit.docs.pages import ROOT

ENVIRONMENT = (ROOT / "docs" / "reference" / "environment.md").read_text()


def _code(*folders: str, kind: str = "*.py") -> str:
    return "\n".join(file.read_text() for folder in folders for file in sorted(Path(ROOT / folder).rglob(kind)))


def test_every_variable_that_the_code_reads_is_in_the_reference() -> None:
    code = _code("dregsy_queue", "workers")
    read = set(re.findall(r'"((?:DREGSY|LOG)_[A-Z_]+)"', code))
    assert len(read) > 10
    assert read == set(re.findall(r"^\| `((?:DREGSY|LOG)_[A-Z_]+)`", ENVIRONMENT, re.MULTILINE))


@pytest.mark.parametrize("name", ["keep_runs", "max_attempts", "backoff", "stalled", "grace", "daemon_wait"])
def test_defaults_of_numbers_are_as_told(name: str) -> None:
    default = getattr(settings.from_environment({}), name)
    assert f"| `DREGSY_{name.upper()}` | `{default:g}` |" in ENVIRONMENT


def test_proofs_exist() -> None:
    proofs = (ROOT / "docs" / "reliability-tests.md").read_text()
    tests = _code("tests")
    names = set(re.findall(r"`(?:[\w/]+\.py::)?(test_\w+)`", proofs))
    assert len(names) > 30
    assert {name for name in names if f"def {name}(" not in tests} == set()
    files = set(re.findall(r"`([\w/]+\.py)(?:::\w+…?)?`", proofs))
    existing = {str(file.relative_to(ROOT / "tests")) for file in (ROOT / "tests").rglob("*.py")}
    assert {name for name in files if not any(path.endswith(name) for path in existing)} == set()
