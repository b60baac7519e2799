"""skopeo as the judge of what the laboratory makes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.lab.processes import tool


def run(folder: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Its caches and temporary files stay in `folder`, so that no run knows of another."""
    environment = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder)}
    line = [tool("skopeo"), "--insecure-policy", command, *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=100)


def inspect(folder: Path, reference: str, *options: str) -> dict[str, Any]:
    done = run(folder, "inspect", "--tls-verify=false", *options, f"docker://{reference}")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def copy(folder: Path, source: str, target: str, *options: str) -> subprocess.CompletedProcess[str]:
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    return run(folder, "copy", *plain, *options, f"docker://{source}", f"docker://{target}")
