"""How does a child process begin, and end with its parent, whatever ends the parent?"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence

#: Why a program cannot be started just now: a limit is reached (of processes, memory, open files), or another process
#: still has its file open for writing (execve(2), fork(2)).
_PASSING = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY})


def may_start_later(error: BaseException) -> bool:
    """Whether a program that could not be started may be started in a while."""
    return isinstance(error, OSError) and error.errno in _PASSING


def tied_to_parent(command: Sequence[str]) -> list[str]:
    """`command` so that the kernel kills it when the thread that starts it ends, also by SIGKILL.

    By PR_SET_PDEATHSIG (prctl(2)), which an exec keeps; where there is no setpriv(1), the command as it is. A program
    that does not exist is setpriv's error then, so look it up before.
    """
    setpriv = shutil.which("setpriv")
    return [*([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []), *command]
