"""Workers, Celery's queue, a scheduler and an operator around one Redis."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator

import redis
from redis import RedisError

from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.outcome import Copied, Outcome
from dregsy_queue.ledger.quotas import Quotas
from dregsy_queue.ledger.registry_limits import RegistryLimiter
from dregsy_queue.ledger.runs import Runs, StartedRun
from dregsy_queue.oci.digest import Digest
from tests.lab.clock import FakeClock

from .direct import Direct, FaultyConnection
from .redis_side import RedisSide
from .worker import Message, Worker, faulty

KINDS = ("plan", "shard", "skopeo", "docker")
TASKS = ("a", "b:runs", "c")
GOOD = Copied(Digest("d"))
REGISTRIES = ("src0", "src1", "dst")


class Impatient(FakeClock):
    """Of commands that wait for workers: those of the model stand still meanwhile, so each wait is a long one."""

    def pause(self, seconds: float) -> None:
        self.now += 20 * seconds


class World:
    def __init__(self, direct: Direct, client: redis.Redis) -> None:
        self.redis = RedisSide(direct)
        self.connection = FaultyConnection(client, direct)
        ledger = faulty(self.connection)
        self.scheduler, self.orders = Runs(ledger), Orders(ledger, Impatient())
        self.limiter, self.quotas = RegistryLimiter(ledger), Quotas(ledger)
        self.workers: list[Worker] = []
        self.messages: list[Message] = []
        self.handed_out: set[Message] = set()
        self.versions = dict.fromkeys(TASKS, 0)
        #: job → how workers said that it ended
        self.said: defaultdict[str, set[str]] = defaultdict(set)
        #: run → targets of images that shards of it have, or had
        self.shared: defaultdict[str, set[str]] = defaultdict(set)
        self._messages_of_copy: list[Message] = []
        self._names = (f"w{number}@host#{number}" for number in itertools.count(1))

    def add_worker(self, slots: int, kinds: tuple[str, ...]) -> Worker:
        worker = Worker(next(self._names), faulty(self.connection), slots, kinds, self.redis, self.said, self.shared)
        self.workers.append(worker)
        worker.heartbeat()
        return worker

    def awake(self, n: int) -> Worker | None:
        awake = [worker for worker in self.workers if not worker.frozen]
        return awake[n % len(awake)] if awake else None

    def send(self, messages: list[Message]) -> None:
        for message in messages:
            assert message not in self.handed_out, f"the same job and epoch twice: {message}"
            self.handed_out.add(message)
        self.messages += messages

    def deliver(self, worker: Worker, most: int) -> None:
        """The first messages reach a worker, as long as it has room."""
        some, rest = self.messages[:most], self.messages[most:]
        self.messages = [message for message in some if not worker.take(message)] + rest

    def run_through(self, worker: Worker, outcome: Outcome) -> None:
        """What there is runs to its end."""
        while messages := worker.tick():
            self.send(messages)
            self.deliver(worker, len(self.messages))
            work_off(worker, outcome)

    def start(self, task: str) -> StartedRun | None:
        version = self.versions[task]
        source, target = registries(version)
        try:
            return self.scheduler.start(task, f"v{version}", priority=5, kept=3, source=source, target=target)
        except (RedisError, OSError):
            return None

    def carry_out(self, task: str) -> None:
        """A role takes an operator's order for a run."""
        if order := self.orders.take(task):
            started = self.start(task)
            if started and started.run:
                self.orders.carried_out(task, order, started.run)

    def empty(self) -> None:
        self.redis.empty()
        self.messages = []

    def copy(self) -> None:
        self.redis.copy()
        self._messages_of_copy = list(self.messages)

    def restore(self) -> None:
        self.redis.restore()
        self.messages = list(self._messages_of_copy)

    def calm(self) -> None:
        """No fault, no refusal, no order and no limit from now on."""
        self.connection.disturb("")
        self.redis.refuse("")
        for task in TASKS:
            self.orders.release("task", task)
        for registry in REGISTRIES:
            self.orders.release("registry", registry)

    def rounds(self, most: int) -> Iterator[int]:
        """With one healthy worker and time: each round is four seconds."""
        healthy = self.add_worker(8, KINDS)
        for number in range(most):
            yield number
            self.redis.advance(4)
            for worker in self.workers:
                if not worker.frozen:
                    worker.heartbeat()
                    self.send(worker.tick())
            self.deliver(healthy, len(self.messages))
            for worker in self.workers:
                if not worker.frozen:
                    work_off(worker)


def work_off(worker: Worker, outcome: Outcome = GOOD) -> None:
    """All that it runs ends, transfers so."""
    for name in worker.plans():
        worker.plan(name, images_of(worker, name), ends=True)
    for name in worker.transfers():
        worker.finish(name, outcome)


def images_of(worker: Worker, plan: str) -> list[TransferJob | PlannedOutcome]:
    """All of the task's, or those of the shard that it plans."""
    claim = worker.running[plan]
    with contextlib.suppress(ValueError):
        found = images(claim.task, int(claim.fingerprint.removeprefix("v")))
        return [image for image in found if not claim.shard or image.target in json.loads(claim.shard)]
    return []


def registries(version: int) -> tuple[str, str]:
    """Every second version of a task reads from another registry."""
    return f"src{version % 2}", "dst"


def images(task: str, version: int) -> list[TransferJob | PlannedOutcome]:
    """What planning finds: some images to copy, one that is up to date; tasks share a target. One image of each third
    version cannot be planned."""
    relay = "docker" if version % 3 == 2 else "skopeo"
    source, target = registries(version)
    found: list[TransferJob | PlannedOutcome] = [
        TransferJob(
            source=f"{source}/{task}:{number}",
            target=f"{target}/shared:1" if number == 0 else f"{target}/{task}:{number}",
            platform="",
            relay=relay,
            reason="missing",
            source_digest=Digest(f"sha256:{version}"),
            digest=Digest(f"sha256:{version}"),
        )
        for number in range(4)
    ]
    found.append(
        PlannedOutcome(f"{source}/{task}:9", f"{target}/{task}:9", "", "up-to-date", "up-to-date", digest=Digest("d"))
    )
    if version % 3 == 1:
        found.append(
            PlannedOutcome(
                f"{source}/{task}:8", f"{target}/{task}:8", "", "failed", "planning", error="login is refused"
            )
        )
    return found
