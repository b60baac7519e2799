"""``make soak``: ten minutes of faults at random; SOAK="--images 200 --minutes 1 --seed 7" for less, or others.

Images change and are synced all the time by three workers, who share each plan, and two schedulers. One or two parts
of the world fail at once; the next fault comes when each worker has copied something again, or, every third time,
before that. At the end every target digest equals its source, every run's counts equal its images' outcomes, no image
is in a run twice, and no run, process, lease or waiting job is left.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from tests.lab.processes import wait_until
from tests.soak import verdict
from tests.soak.faults import FAULTS, RoleError
from tests.soak.recovery import Observer, Recovery
from tests.soak.world import ENVIRONMENT, World

#: Seconds from a fault's end within which work must go on.
LIMIT = 60.0
#: As long as fewer jobs are open than this, images change.
ENOUGH = 60


def main() -> int:
    parser = argparse.ArgumentParser(description="Soak test; see the text at the top of tests/soak/__main__.py.")
    parser.add_argument("--images", "--jobs", type=int, default=800, help="in eight repositories, four tasks")
    parser.add_argument("--minutes", type=float, default=10, help="how long faults are made")
    parser.add_argument("--seed", type=int, default=20, help="the same seed: the same faults in the same order")
    parser.add_argument("--fault", action="append", default=[], help="only faults whose name has this in it")
    parser.add_argument("--folder", type=Path, help="logs and data go there and stay")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = options.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        world = World(folder, options.images, options.seed)
        try:
            return Soak(world, options.seed, options.fault).run(options.minutes * 60)
        finally:
            world.stop()


class Soak:
    def __init__(self, world: World, seed: int, only: list[str]) -> None:
        self._world, self._choice = world, random.Random(seed)
        self._observer = Observer(world)
        self._names = [
            (part, name)
            for part, faults in FAULTS.items()
            for name in faults
            if not only or any(word in name for word in only)
        ]
        self._bag: list[tuple[str, str]] = []
        self._began = time.monotonic()
        self._made: Counter[str] = Counter()
        self._recoveries: list[tuple[str, Recovery]] = []
        self._problems: list[str] = []
        self._over = threading.Event()
        self._say(f"seed {seed}: {world.images} images; environment {ENVIRONMENT}")

    def run(self, seconds: float) -> int:
        changes = threading.Thread(target=self._change, daemon=True)
        changes.start()
        self._await_first_work()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._fail()
        self._over.set()
        changes.join()
        self._say("no more faults, no more changes")
        self._problems += verdict.finish(self._world)
        for seat in self._world.seats:
            if (code := seat.role.process.stop(timeout=40)) != 0:
                self._problems.append(f"{seat.name} ended with {code}")
        for look in (verdict.registries, verdict.ledger, verdict.roles):
            self._problems += look(self._world)
        return self._tell()

    def _fail(self) -> None:
        names = self._draw()
        try:
            with ExitStack() as stack:
                for part, name in names:
                    detail = stack.enter_context(FAULTS[part][name](self._world, self._choice))
                    self._made[name] += 1
                    self._say(f"fault: {name}: {detail}")
        except RoleError as error:
            self._problem(str(error))
        self._say("  over")
        for seat in self._world.seats:
            if not seat.role.process.alive:
                self._problem(f"{seat.name} has ended by itself: {seat.role.process.output()[-600:]}")
                self._world.replace(seat)
        if self._choice.random() < 1 / 3:
            time.sleep(self._choice.uniform(0, 4))
            return
        recovery = self._observer.wait(LIMIT)
        self._recoveries.append((" and ".join(name for _, name in names), recovery))
        self._say(f"  work went on after {recovery.cluster:.1f} s, of each worker after {recovery.workers:.1f} s")
        if recovery.cluster >= LIMIT or recovery.deaf:
            self._problem(f"no progress for {LIMIT:.0f} s: {', '.join(recovery.deaf) or 'of anybody'}")

    def _draw(self) -> list[tuple[str, str]]:
        """Every fault once before any comes again; a quarter of the time two parts fail at once."""
        if not self._bag:
            self._bag = self._choice.sample(self._names, len(self._names))
        names = [self._bag.pop()]
        if self._bag and self._choice.random() < 0.25 and self._bag[-1][0] != names[0][0]:
            names.append(self._bag.pop())
        return names

    def _change(self) -> None:
        choice = random.Random(1)
        while not self._over.wait(1):
            if self._observer.open() < ENOUGH:
                self._world.change(choice, ENOUGH // 4)

    def _await_first_work(self) -> None:
        wait_until(self._observer.open, 60, "the first run")

    def _tell(self) -> int:
        slowest = max(self._recoveries, key=lambda found: found[1].cluster, default=("", Recovery(0, 0, ())))
        deafest = max(self._recoveries, key=lambda found: found[1].workers, default=slowest)
        lost = sum(line.lost for line in self._world.lines)
        self._say(f"faults: {dict(self._made)}, {lost} answers lost")
        if self._made["answers lost"] > 2 and not lost:
            self._problems.append("soak: no answer was lost, so nothing was tried")
        parts = sum(role.log.read_text(errors="replace").count("a part is planned") for role in self._world.started)
        self._say(f"parts of plans that workers took: {parts}")
        if not parts:
            self._problems.append("soak: no plan was shared, so that was not tried")
        self._say(f"longest from a fault's end to progress: {slowest[1].cluster:.1f} s ({slowest[0]})")
        self._say(f"longest until each worker had copied something: {deafest[1].workers:.1f} s ({deafest[0]})")
        by_kind = Counter(problem.partition(":")[0] for problem in self._problems)
        self._say(f"lost {by_kind['lost']}, doubled {by_kind['doubled']}, stuck {by_kind['stuck']}")
        self._say(f"repairs of the ledger: {self._world.connection.get('dregsy:repairs') or 0}")
        for problem in self._problems:
            print(f"PROBLEM: {problem}", flush=True)
        return 1 if self._problems else 0

    def _problem(self, text: str) -> None:
        self._say(f"  PROBLEM: {text}")
        self._problems.append(text)

    def _say(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {time.monotonic() - self._began:5.0f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
