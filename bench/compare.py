"""Ours beside others, on the same registries of this machine, in turn and in one run.

``python -m bench compare --help`` names the options. A peer is any command with {config} (dregsy's),
{regsync} or {ocync} in it.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import report
from bench.measure import Cost, cost_of
from bench.programs import OURS, Program, Work, programs
from bench.rows import FAR, ROWS, Row
from tests.lab.distance import DelayedRelay
from tests.lab.registry import Registry


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench compare")
    parser.add_argument("--row", action="append", choices=list(ROWS))
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND")
    parser.add_argument("--without", action="append", default=[], metavar="NAME", help="a program to leave out")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args(arguments)
    compared = [program for program in programs(options.peer) if program.name not in options.without]
    results = {row: _measure(ROWS[row], compared, options.repeat) for row in options.row or ROWS}
    print(report.table(results))
    if options.json:
        report.write_json(results, options.json)
    if options.svg:
        report.write_plot(results, options.svg)


def _measure(row: Row, compared: Sequence[Program], repeat: int) -> dict[str, list[Cost]]:
    costs = defaultdict[str, list[Cost]](list)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, _registry(Path(name) / "source") as source:
        row.fill(source)
        filled = _filled(row, Path(name), source) if row.nothing_new else contextlib.nullcontext(None)
        with filled as shared:
            for turn in range(repeat):
                for number, program in enumerate(compared):
                    folder = Path(name) / f"{turn}-{number}"
                    folder.mkdir()
                    try:
                        cost = _one(row, program, folder, source, shared)
                    except RuntimeError as error:
                        if program.name == OURS:
                            raise
                        # A run of a peer that did not copy everything says nothing of its speed.
                        print(f"  {row.title}: not counted: {error}", file=sys.stderr, flush=True)
                        continue
                    costs[program.name].append(cost)
                    print(f"  {row.title}: {program.name} {cost.seconds:.1f} s", file=sys.stderr, flush=True)
    return dict(costs)


def _one(row: Row, program: Program, folder: Path, source: Registry, shared: Registry | None) -> Cost:
    with contextlib.ExitStack() as stack:
        target = shared or stack.enter_context(_registry(folder / "target"))

        def reached(registry: Registry) -> str:
            if not row.far:
                return registry.host
            return stack.enter_context(DelayedRelay("127.0.0.1", registry.port, FAR / 2)).host

        work = _work(row, folder, reached(source), reached(target))
        return cost_of(program.call(work), folder, source, target)


@contextlib.contextmanager
def _filled(row: Row, folder: Path, source: Registry) -> Iterator[Registry]:
    """A target that has all images already."""
    with _registry(folder / "shared") as target:
        (ours,) = [program for program in programs(()) if program.name == OURS]
        cost_of(ours.call(_work(row, folder / "fill", source.host, target.host)), folder, source, target)
        yield target


def _work(row: Row, folder: Path, source: str, target: str) -> Work:
    folder.mkdir(exist_ok=True)
    # One file for all turns.
    state = folder.parent / "state.json" if row.drift_check else None
    return Work(folder, source, target, row.repositories, row.drift_check, state)


@contextlib.contextmanager
def _registry(folder: Path) -> Iterator[Registry]:
    registry = Registry(folder).start()
    try:
        yield registry
    finally:
        registry.stop()
