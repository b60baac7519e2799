"""Standard streams that are closed, or that cannot be written to."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

#: What a write to a full or broken device says (write(2)).
_CANNOT_BE_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def open_what_is_closed() -> None:
    """Open streams that the caller closed (``>&-``) as /dev/null, so that no file opened later gets their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Open as long as the process.
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def is_output_error(error: OSError) -> bool:
    """Whether standard output is what could not be written; errors of files have their name."""
    return error.filename is None and error.errno in _CANNOT_BE_WRITTEN


def drop_output() -> None:
    """Nothing more is written to standard output, nor when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
