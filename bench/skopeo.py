"""One command of ours beside `skopeo sync`: 300 small images the first time, then with nothing new.

Both programs copy the same repository from one registry to another on this machine, in turn.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.registry import Registry

IMAGES, PAIRS = 300, 3


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        source = Registry(folder / "source").start()
        try:
            push_many(source, "lib/app", [f"{n}" for n in range(IMAGES)])
            ratios: dict[str, list[float]] = {"first time": [], "nothing new": []}
            for pair in range(PAIRS):
                ours, theirs = Registry(folder / f"ours{pair}").start(), Registry(folder / f"theirs{pair}").start()
                config = write_config(folder, task("t", location(source), location(ours), mapping("lib/app")))
                for kind, measured in ratios.items():
                    mine = _time(lambda: _run([str(BIN / "dregsy"), f"-config={config}"]))  # noqa: B023
                    other = _time(lambda: _skopeo(source, theirs))  # noqa: B023
                    measured.append(other / mine)
                    print(f"  pair {pair + 1}, {kind}: dregsy {mine:.1f} s, skopeo sync {other:.1f} s", flush=True)
                ours.stop()
                theirs.stop()
            for kind, measured in ratios.items():
                print(f"  {kind}: {statistics.median(measured):.1f} times as fast as skopeo sync (median)")
        finally:
            source.stop()


def _skopeo(source: Registry, target: Registry) -> None:
    command = ["skopeo", "--insecure-policy", "sync", "--src", "docker", "--dest", "docker"]
    command += ["--src-tls-verify=false", "--dest-tls-verify=false"]
    _run([*command, f"{source.host}/lib/app", f"{target.host}/lib"])


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _time(call: Callable[[], None]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started
