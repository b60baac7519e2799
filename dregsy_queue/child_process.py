"""How does a child process end with its parent, whatever ends the parent?"""

from __future__ import annotations

import shutil
from collections.abc import Sequence


def tied_to_parent(command: Sequence[str]) -> list[str]:
    """`command` so that the kernel kills it when the thread that starts it ends, also by SIGKILL.

    By PR_SET_PDEATHSIG (prctl(2)), which an exec keeps; where there is no setpriv(1), the command as it is. A program
    that does not exist is setpriv's error then, so look it up before.
    """
    setpriv = shutil.which("setpriv")
    return [*([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []), *command]
