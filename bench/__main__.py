"""Runs the benchmarks: ``python -m bench [NAME…]``, or ``python -m bench compare`` with options."""

from __future__ import annotations

import compileall
import sys
from pathlib import Path

from bench import compare, ledger, levels, queue, scale, startup, waiting, workers

BENCHMARKS = {
    "ledger": ledger.main,
    "levels": levels.main,
    "queue": queue.main,
    "scale": scale.main,
    "startup": startup.main,
    "waiting": waiting.main,
    "workers": workers.main,
    "compare": compare.main,
}


def main() -> int:
    # As pip leaves what it installs. Where Python may write no caches, each start would compile everything anew.
    for package in ("dregsy_queue", "workers"):
        compileall.compile_dir(Path(__file__).parents[1] / package, quiet=1)
    if sys.argv[1:2] == ["compare"]:
        compare.main(sys.argv[2:])
        return 0
    names = sys.argv[1:] or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            print(f"unknown benchmark '{name}'; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
            return 2
        print(f"\n== {name}: {(sys.modules[BENCHMARKS[name].__module__].__doc__ or '').splitlines()[0]}", flush=True)
        BENCHMARKS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
