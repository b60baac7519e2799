"""A private temporary folder that does not outlive its owner for long, even when the owner is killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dregsy_queue.errors import DregsyError

_PREFIX = "dregsy-"
#: Longest folder name with which a socket in it still fits sockaddr_un (108 bytes, unix(7)).
_LONGEST = 80


class NoFolderError(DregsyError):
    """There is no place for a temporary folder."""


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder of mode 0700, removed at the end. Folders whose owner was killed are removed on entry.

    Raises: NoFolderError.
    """
    try:
        parent = Path(tempfile.gettempdir())
        if len(str(parent)) > _LONGEST:
            parent = Path("/tmp")  # noqa: S108 - mkdtemp makes the folder itself private
        _remove_abandoned(parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = os.open(folder / "lock", os.O_CREAT | os.O_WRONLY, 0o600)
    except OSError as error:
        raise NoFolderError(f"no temporary folder can be made: {error.strerror}; set TMPDIR to one with room") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / "lock", os.O_WRONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
