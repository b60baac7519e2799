"""Child processes that never outlive their worker, whatever ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: Bytes of output that are kept, from the end.
KEPT_OUTPUT = 64 * 1024
#: Seconds between SIGTERM and SIGKILL.
TERMINATION = 2.0


class StalledError(Exception):
    """The child made no progress for too long and was ended."""


@dataclass(frozen=True)
class Ended:
    returncode: int
    output: str


async def run(
    command: Sequence[str],
    *,
    environment: dict[str, str],
    pass_fds: Sequence[int] = (),
    stalled_after: float,
) -> Ended:
    """Run `command` to its end; standard output and error come back together, the last 64 KiB of them.

    The kernel ends the child when the thread that started it ends, so it must be started from a thread that lives as
    long as the worker. On cancellation, and when it stalls, the child and what it started is ended first.

    Raises:
        FileNotFoundError: there is no such program.
        StalledError: no byte went in or out for `stalled_after` seconds.
    """
    process = await asyncio.create_subprocess_exec(
        *_tied_to_parent(command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    watch = asyncio.create_task(_until_stalled(process.pid, stalled_after))
    reading = asyncio.create_task(_output(process))
    try:
        await asyncio.wait((reading, watch), return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            raise StalledError
        return Ended(await process.wait(), reading.result())
    finally:
        watch.cancel()
        await _end(process)
        reading.cancel()


async def _output(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    kept = b""
    while chunk := await process.stdout.read(16 * 1024):
        kept = (kept + chunk)[-KEPT_OUTPUT:]
    return kept.decode(errors="replace")


async def _until_stalled(pid: int, stalled_after: float) -> None:
    """Returns when the process moved no byte for `stalled_after` seconds."""
    loop = asyncio.get_running_loop()
    moved, since = _bytes_moved(pid), loop.time()
    while loop.time() - since < stalled_after:
        await asyncio.sleep(min(10.0, stalled_after / 4))
        now = _bytes_moved(pid)
        if now != moved:
            moved, since = now, loop.time()


def _bytes_moved(pid: int) -> str:
    try:
        # rchar and wchar, which count sockets too (proc(5))
        return "".join(Path(f"/proc/{pid}/io").read_text().splitlines(keepends=True)[:2])
    except OSError:
        return ""


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the child's whole session; returns when the child is gone."""
    if process.returncode is not None:
        return
    _signal(process.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), TERMINATION)
    except TimeoutError:
        _signal(process.pid, signal.SIGKILL)
        await process.wait()


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _tied_to_parent(command: Sequence[str]) -> list[str]:
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(command[0])
    # PR_SET_PDEATHSIG (prctl(2)) is kept over exec: after SIGKILL of the worker no child goes on pushing.
    setpriv = shutil.which("setpriv")
    prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    return [*prefix, program, *command[1:]]
