"""Standard streams that are closed, that cannot be written to, or that have few letters."""

from __future__ import annotations

import codecs
import errno
import io
import json
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


def write_what_cannot_be_encoded() -> None:
    """Where the locale is not UTF-8, other letters are written as JSON escapes them, and our arrows with ``->``."""
    codecs.register_error("dregsy", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="dregsy")


#: Our own signs, which no name has.
_SIGNS = {"→": "->", "…": "..."}


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end]
    return "".join(_SIGNS.get(char) or json.dumps(char)[1:-1] for char in units), error.end


def is_output_error(error: OSError) -> bool:
    """Whether standard output is what could not be written; errors of files have their name."""
    return error.filename is None and error.errno in _CANNOT_BE_WRITTEN


def drop_output() -> None:
    """Nothing more is written to standard output, nor when the process ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
