"""Programs of others, to compare with: the real regsync, where there is one or Go can make it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

_MADE = Path(__file__).parents[2] / ".cache" / "tools" / "bin"
_REGSYNC = "github.com/regclient/regclient/cmd/regsync@v0.11.7"


@functools.cache
def regsync() -> Path | None:
    """From PATH, or made by `go install` once; None where neither is possible."""
    made = _MADE / "regsync"
    if found := shutil.which("regsync") or (str(made) if made.exists() else None):
        return Path(found)
    if not shutil.which("go"):
        return None
    try:
        subprocess.run(
            ["go", "install", _REGSYNC],
            env={**os.environ, "GOBIN": str(_MADE)},
            check=True,
            capture_output=True,
            timeout=180,
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return made if made.exists() else None
