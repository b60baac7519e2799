"""Ctrl-C and SIGTERM while a command is loaded: the user has thought better of it, and sees no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Runs `dregsy` with these arguments. At every third import that comes before the command handles signals itself, a
#: copy of the process sends itself a signal.
_PROGRAM = """
import os, signal, sys

class Interrupt:
    seen, copies = set(), 0

    def find_spec(self, name, path=None, target=None):
        if getattr(signal.getsignal(signal.SIGINT), "__module__", "") == "dregsy_queue.embedded.session":
            end(0)
        self.seen.add(name)
        if len(self.seen) % 3 or name in sys.modules:
            return None
        number = (signal.SIGINT, signal.SIGTERM)[self.copies % 2]
        self.copies += 1
        copy = os.fork()
        if copy == 0:
            os.kill(os.getpid(), number)
            return None
        _, status = os.waitpid(copy, 0)
        code = os.waitstatus_to_exitcode(status)
        if code != 128 + number:
            sys.stderr.write(f"{name}: {code} after signal {number}")
            end(1)
        return None

def end(code):
    sys.stderr.flush()
    print("copies:", interrupt.copies, flush=True)
    os._exit(code)

interrupt = Interrupt()
# A shell that starts the tests by `&` lets all that they start ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
from dregsy_queue.cli import main
sys.meta_path.insert(0, interrupt)
try:
    main()
finally:
    end(0)
"""

_CONFIG = """
relay: direct
tasks:
  - name: t
    source: {registry: "127.0.0.1:9"}
    target: {registry: "127.0.0.1:9"}
    mappings: [{from: a, to: b, tags: ["1"]}]
"""


@pytest.mark.parametrize(
    ("arguments", "copies"),
    [
        (["--help"], 10),
        (["validate", "dregsy.yaml"], 40),
        (["plan", "dregsy.yaml", "--run", "none"], 40),
        (["sync", "dregsy.yaml"], 40),
        (["status", "--redis", "redis://127.0.0.1:9"], 40),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_signal_ends_a_command_at_any_import(tmp_path: Path, arguments: list[str], copies: int) -> None:
    (tmp_path / "dregsy.yaml").write_text(_CONFIG)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert int(done.stdout.split("copies:")[1]) >= copies
