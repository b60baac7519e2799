"""Child processes: what they moved, how they end, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.lab.processes import ROOT
from workers.relays.skopeo import process
from workers.relays.stalls import StalledError

MEGABYTES = "head -c 3000000 /dev/zero | cat >/dev/null"


async def run(script: str, stalled_after: float = 30) -> process.Ended:
    return await process.run(["sh", "-c", script], environment=dict(os.environ), stalled_after=stalled_after)


def open_files() -> set[tuple[str, str]]:
    """What this process has open, as numbers and names."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        # That of the listing itself is gone by now.
        with contextlib.suppress(FileNotFoundError):
            found.add((descriptor.name, str(descriptor.readlink())))
    return found


@pytest.mark.parametrize("script", [MEGABYTES, f"exec 1>&- 2>&-; sleep 0.2; {MEGABYTES}"])
async def test_bytes_are_counted_up_to_the_very_end(script: str) -> None:
    ended = await run(script)
    # through two processes
    assert ended.returncode == 0 and ended.relayed is not None and 6_000_000 <= ended.relayed < 6_100_000


async def test_a_short_one_is_counted_too() -> None:
    ended = await run("head -c 5000 /dev/zero")
    assert ended.relayed is not None and ended.relayed >= 5000 and len(ended.output) == 5000


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_anybody_can_count() -> None:
    """Of a process that has exited the file of its counters opens for root alone; workers are not root."""
    # Whoever starts it on a busy machine must have opened the file before it exits.
    later = f"sleep 1; {MEGABYTES}"
    script = (
        "import asyncio, ctypes, os; from workers.relays.skopeo import process; import uvloop, encodings.idna\n"
        "async def main():\n"
        f"    ended = await process.run(['sh', '-c', {later!r}], environment=dict(os.environ), stalled_after=9)\n"
        "    print(ended.relayed)\n"
        "asyncio.new_event_loop().close(); os.setgid(65534); os.setuid(65534)\n"
        # as it is for a process that never was root: PR_SET_DUMPABLE (prctl(2))
        "ctypes.CDLL(None).prctl(4, 1); uvloop.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert int(done.stdout) >= 6_000_000, done.stderr


async def test_output_is_kept_from_the_end() -> None:
    ended = await run("head -c 200000 /dev/zero; echo; echo last >&2; exit 3")
    assert (ended.returncode, ended.output.splitlines()[-1], len(ended.output)) == (3, "last", process.KEPT_OUTPUT)


async def test_no_descriptor_and_no_child_is_left() -> None:
    await run("true")
    before = open_files()
    for _ in range(5):
        await run("echo")
    with pytest.raises(StalledError):
        await run("sleep 60", stalled_after=0.2)
    work = asyncio.create_task(run("trap '' TERM; sleep 60"))
    await asyncio.sleep(0.2)
    work.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await work
    await asyncio.sleep(0.1)
    # What earlier tests left may still close meanwhile.
    assert not open_files() - before
    assert not [found for found in psutil.Process().children() if found.name() in ("sh", "sleep", "setpriv")]


async def test_a_missing_program() -> None:
    with pytest.raises(FileNotFoundError):
        await process.run(["no-such-program"], environment={}, stalled_after=1)
