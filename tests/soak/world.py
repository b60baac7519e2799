"""What is soaked: registries with manners of their own, a Redis with a replica, three workers, two schedulers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from dregsy_queue.ledger.connection import connect
from tests.lab.bad_line import BadLine
from tests.lab.dregsy import Role, beat, location, mapping, task, worker, write_config
from tests.lab.images import push_image, push_many
from tests.lab.processes import ROOT
from tests.lab.proxy import Faults, HubProxy
from tests.lab.registry import Registry
from tests.soak.redis_pair import RedisPair

#: Seconds that a worker has for what runs when it is told to end.
GRACE = 5
ENVIRONMENT = {
    "DREGSY_MAX_ATTEMPTS": "30",
    "DREGSY_BACKOFF": "0.5",
    "DREGSY_GRACE": str(GRACE),
    "DREGSY_KEEP_RUNS": "1000",
}
#: Plans are shared among workers, as those of large tasks are.
SHARED_PLANS = ("--include", "tests.soak.small_plans")
#: By task: its relay and its repositories. All run every half minute but the last, which runs once.
TASKS = {
    "direct": ("direct", ("lib/a", "lib/b")),
    "skopeo": ("skopeo", ("lib/c",)),
    "other": ("direct", ("lib/d", "lib/e")),
    "once": ("direct", ("lib/f", "lib/g", "lib/h")),
}
PERIODIC = ("direct", "skopeo", "other")
INTERVAL = 30


@dataclass
class Seat:
    """A place for a worker or a scheduler, with a line to Redis of its own; who sits there is killed and replaced."""

    kind: str
    line: BadLine
    role: Role

    @property
    def name(self) -> str:
        return self.role.log.stem


class World:
    def __init__(self, folder: Path, images: int, seed: int) -> None:
        self.folder = folder
        self.source, self.target = Registry(folder / "source").start(), Registry(folder / "target").start()
        self.flaky = (
            HubProxy(self.source, faults=Faults(unavailable=0.02, cut=0.02, latency=0.05), seed=seed).start(),
            HubProxy(self.target, faults=Faults(unavailable=0.02, latency=0.05), seed=seed + 1).start(),
        )
        self.redis = RedisPair(folder / "redis").start()
        # A line without faults of its own follows a fail-over, too.
        self.line = self._line()
        self.connection = connect(self._url(self.line), patient=False)
        self.repositories = [name for _, names in TASKS.values() for name in names]
        self.tags = [str(number) for number in range(max(1, images // len(self.repositories)))]
        for repository in self.repositories:
            push_many(self.source, repository, self.tags)
        self._config = self._write_config()
        self._versions = 0
        self.started: list[Role] = []
        self.seats = [self._seat("worker") for _ in range(3)] + [self._seat("beat") for _ in range(2)]

    @property
    def images(self) -> int:
        return len(self.repositories) * len(self.tags)

    @property
    def lines(self) -> list[BadLine]:
        return [seat.line for seat in self.seats]

    def seats_of(self, kind: str) -> list[Seat]:
        return [seat for seat in self.seats if seat.kind == kind]

    def replace(self, seat: Seat) -> None:
        """Another one takes the seat; from the main thread, whose end is theirs."""
        seat.role = self._start(seat.kind, seat.line)

    def lead_to_primary(self) -> None:
        for line in (self.line, *self.lines):
            line.lead_to("127.0.0.1", self.redis.primary.port)

    def change(self, choice: random.Random, number: int) -> None:
        """Push other content under some tags of the periodic tasks."""
        for _ in range(number):
            repository = choice.choice([name for task in PERIODIC for name in TASKS[task][1]])
            self._versions += 1
            push_image(self.source, repository, choice.choice(self.tags), size=512, seed=f"version {self._versions}")

    def stop(self) -> None:
        for role in self.started:
            role.process.kill()
        for line in (self.line, *self.lines):
            line.stop()
        self.redis.stop()
        for end in (*self.flaky, self.source, self.target):
            end.stop()

    def _write_config(self) -> Path:
        source, target = self.flaky
        tasks = [
            task(
                name,
                location(source.host),
                location(target.host),
                *(mapping(repository) for repository in repositories),
                relay=relay,
                **({"interval": INTERVAL} if name in PERIODIC else {}),
            )
            for name, (relay, repositories) in TASKS.items()
        ]
        return write_config(self.folder, *tasks, registries={source.host: {"max-concurrent": 6}})

    def _line(self) -> BadLine:
        return BadLine("127.0.0.1", self.redis.primary.port).start()

    def _url(self, line: BadLine) -> str:
        return f"redis://{line.host}/0"

    def _seat(self, kind: str) -> Seat:
        line = self._line()
        return Seat(kind, line, self._start(kind, line))

    def _start(self, kind: str, line: BadLine) -> Role:
        url, number = self._url(line), len(self.started)
        if kind == "worker":
            environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
            role = worker(self.folder, self._config, url, f"w{number}", *SHARED_PLANS, **environment)
        else:
            role = beat(self.folder, self._config, url, **ENVIRONMENT)
        self.started.append(role)
        return role
