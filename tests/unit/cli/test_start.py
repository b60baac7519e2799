"""What a call loads before it does anything: start-up time is probes' and users' time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = {"redis", "pydantic", "rich", "celery", "yaml", "dregsy_queue.config", "dregsy_queue.ledger"}


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["-help"], ["staus"], []])
def test_help_and_version_load_nothing_slow(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom dregsy_queue.cli import main\ntry:\n    main(sys.argv[1:])\nfinally:\n    print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert "dregsy_queue.cli" in done.stdout
    assert not SLOW & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_completes_commands(shell: str) -> None:
    program = str(Path(sys.executable).parent / "dregsy")
    script = subprocess.run([program, "completion", shell], capture_output=True, text=True).stdout
    assert f"_DREGSY_COMPLETE={shell}_complete" in script
    asked = {"_DREGSY_COMPLETE": f"{shell}_complete", "COMP_WORDS": "dregsy stat", "COMP_CWORD": "1"}
    if shell == "fish":
        asked["COMP_CWORD"] = "stat"
    done = subprocess.run([program], capture_output=True, text=True, env={**os.environ, **asked})
    assert "status" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "variable", "named"),
    [
        (["--redis", "http://127.0.0.1"], "redis://127.0.0.1", "--redis is not"),
        ([], "http://127.0.0.1", "DREGSY_REDIS_URL is not"),
    ],
)
def test_a_wrong_address_is_told_of_what_was_given(
    arguments: list[str], variable: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREGSY_REDIS_URL", variable)
    program = str(Path(sys.executable).parent / "dregsy")
    done = subprocess.run([program, "status", *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and f"{named} a Redis URL" in done.stderr
    assert ("DREGSY" in done.stderr) == (not arguments)
