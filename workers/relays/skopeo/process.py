"""Child processes that never outlive their worker, whatever ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from dregsy_queue.child_process import tied_to_parent
from workers.meters import Meter
from workers.relays.skopeo.io_counters import Counters, counters
from workers.relays.stalls import UNCOUNTED, Pace, StalledError

#: Bytes of output that are kept, from the end.
KEPT_OUTPUT = 64 * 1024
#: Seconds between SIGTERM and SIGKILL.
TERMINATION = 2.0


@dataclass(frozen=True)
class Ended:
    returncode: int
    output: str
    #: bytes that went through it, from read to written; None where the kernel does not tell
    relayed: int | None


async def run(
    command: Sequence[str],
    *,
    environment: dict[str, str],
    pass_fds: Sequence[int] = (),
    stalled_after: float,
    meter: Meter | None = None,
) -> Ended:
    """Run `command` to its end; standard output and error come back together, the last 64 KiB of them.

    The kernel ends the child when the thread that started it ends, so it must be started from a thread that lives as
    long as the worker. On cancellation, and when it stalls, the child and what it started are ended first.

    Raises:
        FileNotFoundError: there is no such program.
        StalledError: next to nothing went in or out for `stalled_after` seconds.
    """
    process = _start(command, environment, pass_fds)
    with counters(process.pid) as counted:
        if meter:
            meter.follow(counted.relayed)
        watch = asyncio.create_task(_until_stalled(counted, stalled_after))
        reading = asyncio.create_task(_output(process))
        try:
            await asyncio.wait((reading, watch), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                raise watch.result()
            await _until_exited(process.pid)
            # Exited and not reaped: the last moment at which the kernel knows what it moved, and all of it.
            relayed = counted.relayed()
            return Ended(process.wait(), reading.result(), relayed)
        finally:
            watch.cancel()
            await _end(process)
            reading.cancel()


def _start(command: Sequence[str], environment: dict[str, str], pass_fds: Sequence[int]) -> subprocess.Popen[bytes]:
    """Not by asyncio, which reaps a child at once, whether its counters have been read or not."""
    return subprocess.Popen(
        _command(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        env=environment,
        pass_fds=pass_fds,
        start_new_session=True,
    )


async def _output(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    reader, kept = asyncio.StreamReader(), b""
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), process.stdout
    )
    try:
        while chunk := await reader.read(16 * 1024):
            kept = (kept + chunk)[-KEPT_OUTPUT:]
    finally:
        transport.close()
    return kept.decode(errors="replace")


async def _until_exited(pid: int) -> None:
    """Returns when the child has exited; it is left for its `Popen` to reap."""
    pause = 0.001
    while not _has_exited(pid):
        await asyncio.sleep(pause)
        pause = min(2 * pause, 0.05)


def _has_exited(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


async def _until_stalled(counted: Counters, stalled_after: float) -> StalledError:
    """Returns when the process stands still."""
    loop = asyncio.get_running_loop()
    began, moved = loop.time(), counted.moved()
    pace = Pace(stalled_after, moved.both if moved else 0, began)
    while True:
        await asyncio.sleep(min(10.0, stalled_after / 4))
        now, moved = loop.time(), counted.moved()
        if moved and pace.stands_still(moved.both, now):
            return StalledError(stalled_after)
        if not moved and now - began >= UNCOUNTED * stalled_after:
            return StalledError(UNCOUNTED * stalled_after, counted=False)


async def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child's whole session; returns when the child is gone."""
    if process.returncode is not None:
        return
    _signal(process.pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(_until_exited(process.pid), TERMINATION)
    except TimeoutError:
        _signal(process.pid, signal.SIGKILL)
        await _until_exited(process.pid)
    process.wait()


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _command(command: Sequence[str]) -> list[str]:
    """After SIGKILL of the worker no child goes on pushing. Raises: FileNotFoundError."""
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(command[0])
    return tied_to_parent([program, *command[1:]])
