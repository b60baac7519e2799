"""A small world around the real scripts: workers, Celery's queue, a clock that is handed in, and faults of Redis."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import redis
from redis import ConnectionError as RedisConnectionError
from redis import RedisError

from dregsy_queue.ledger import scripts
from dregsy_queue.ledger.admission import Admission
from dregsy_queue.ledger.claims import Claim, Claims
from dregsy_queue.ledger.connection import Connection, Script
from dregsy_queue.ledger.in_hand import InHand
from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.outcome import Copied, Outcome, PutBack
from dregsy_queue.ledger.presence import Presence
from dregsy_queue.ledger.runs import PlanLostError, Runs, StartedRun
from dregsy_queue.ledger.scripts import Scripts
from dregsy_queue.oci.digest import Digest

#: Redis' clock in the model: scripts read this key instead of asking for the time.
CLOCK = "test:clock"
BETWEEN = f"clock = function() return tonumber(redis.call('GET', '{CLOCK}')) end\n"

KINDS = ("plan", "skopeo", "docker")


class FaultyConnection:
    """Redis as a client sees it on a bad day: the next call of a script loses its request or its answer, or is made
    twice, as redis-py does where the first answer got lost."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self.fault = ""

    def register_script(self, script: str) -> Script:
        call = cast(Script, self._client.register_script(script))

        def faulty(*, args: Any, client: Any = None) -> Any:
            assert client is None, "the model sends no pipelines"
            fault, self.fault = self.fault, ""
            if fault == "request":
                raise RedisConnectionError("the request got lost")
            answer = call(args=args)
            if fault == "twice":
                answer = call(args=args)
            if fault == "answer":
                raise RedisConnectionError("the answer got lost")
            return answer

        return faulty

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


@dataclass(frozen=True)
class Message:
    job: str
    epoch: int


@dataclass
class Worker:
    name: str
    claims: Claims
    runs: Runs
    presence: Presence
    admission: Admission
    slots: int
    kinds: tuple[str, ...]
    frozen: bool = False
    draining: bool = False
    running: dict[str, Claim] = field(default_factory=dict)

    def take(self, message: Message) -> bool:
        """False when it has no free slot: then the message stays in the queue."""
        if self.frozen or len(self.running) >= self.slots:
            return False
        try:
            claim = self.claims.take(message.job, message.epoch, self.name)
        except (RedisError, OSError):
            return True
        if claim is not None:
            assert claim.name not in self.running, "a job runs twice in one worker"
            self.running[claim.name] = claim
        return True

    def end(self, *, with_a_word: bool) -> None:
        """It is gone, and what it ran with it."""
        self.running = {}
        with contextlib.suppress(RedisError, OSError):
            if with_a_word:
                self.admission.leave(self.name)

    def heartbeat(self) -> None:
        before = set(self.running)
        try:
            heard = self.presence.heartbeat(
                self.name,
                slots=self.slots,
                kinds=self.kinds,
                draining=self.draining,
                in_hand=self.claims.in_hand.jobs(),
            )
        except (RedisError, OSError):
            return
        for job, epoch in heard.lost:
            name = f"{job}.{epoch}"
            if name in before and name in self.running:
                self.finish(name, PutBack())

    def tick(self) -> list[Message]:
        """What the coordinator does each second; returns the messages that it sends."""
        try:
            self.claims.in_hand.write_kept()
            self.admission.reap()
            return [Message(admitted.job, admitted.epoch) for admitted in self.admission.admit()]
        except (RedisError, OSError):
            return []

    def finish(self, name: str, outcome: Outcome) -> bool:
        claim = self.running.pop(name)
        written = self.claims.settle(claim, outcome, 1.0)
        self.claims.done_with(claim)
        return written

    def plan(self, name: str, images: list[TransferJob | PlannedOutcome], *, ends: bool) -> None:
        """Hand on some images; `ends`: these were the last."""
        claim = self.running[name]
        try:
            self.runs.add(claim, images)
            if not ends:
                return
            self.runs.end_plan(claim)
        except (PlanLostError, RedisError, OSError):
            pass
        del self.running[name]
        self.claims.done_with(claim)


class World:
    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.connection = FaultyConnection(client)
        self.ledger = cast(Connection, self.connection)
        self.now = 1_800_000_000.0
        self.refuses = False
        self.workers: list[Worker] = []
        self.messages: list[Message] = []
        self.handed_out: set[Message] = set()
        self.saved: tuple[dict[bytes, bytes], list[Message]] | None = None
        self.scheduler = Runs(self.ledger)
        self._names = (f"w{number}@host#{number}" for number in itertools.count(1))
        client.config_set("min-replicas-to-write", 0)
        client.flushall()
        self.advance(0)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self._unrefused(lambda: self.client.set(CLOCK, repr(self.now)))

    def _unrefused(self, act: Callable[[], object]) -> None:
        if self.refuses:
            self.client.config_set("min-replicas-to-write", 0)
        act()
        if self.refuses:
            self.client.config_set("min-replicas-to-write", 1)

    def refuse_writes(self, refuses: bool) -> None:
        self.refuses = refuses
        self.client.config_set("min-replicas-to-write", int(refuses))

    def add_worker(self, slots: int, kinds: tuple[str, ...]) -> Worker:
        in_hand = InHand()
        worker = Worker(
            next(self._names),
            Claims(self.ledger, in_hand),
            Runs(self.ledger, in_hand),
            Presence(self.ledger),
            Admission(self.ledger),
            slots,
            kinds,
        )
        self.workers.append(worker)
        worker.heartbeat()
        return worker

    def send(self, messages: list[Message]) -> None:
        for message in messages:
            assert message not in self.handed_out, f"the same job and epoch twice: {message}"
            self.handed_out.add(message)
        self.messages += messages

    def start(self, task: str, version: int) -> StartedRun | None:
        source, target = registries(task, version)
        try:
            return self.scheduler.start(task, f"v{version}", priority=5, kept=3, source=source, target=target)
        except (RedisError, OSError):
            return None

    def empty(self) -> None:
        self._unrefused(self.client.flushall)
        self.messages = []
        self.advance(0)

    def save(self) -> None:
        raw = self._raw()
        self.saved = ({name: raw.dump(name) for name in raw.keys("*")}, list(self.messages))

    def restore(self) -> None:
        """Redis comes back as it was when it was saved; workers and the clock have gone on."""
        assert self.saved
        dump, messages = self.saved

        def load() -> None:
            self.client.flushall()
            raw = self._raw()
            for name, value in dump.items():
                raw.restore(name, 0, value)

        self._unrefused(load)
        self.messages = list(messages)
        # Nobody restores a Redis within a millisecond: epochs rely on it.
        self.advance(0.01)

    def _raw(self) -> Any:
        """A client whose answers are bytes; redis-py's types know it as the other one."""
        return redis.Redis(unix_socket_path=self.client.get_connection_kwargs()["path"])

    def release_holds(self) -> None:
        self.client.delete("dregsy:holds")
        Scripts(self.ledger).run("tidy", 0)

    def cancel(self, task: str, *, running_too: bool) -> None:
        run = self.client.hget(key("task", task), "active")
        if run:
            step = "return cancel_run(ARGV[1], 'an order', clock(), ARGV[2] == '1') and 1 or 0"
            source = scripts._source("end_request", BETWEEN).rpartition("-- The answer to an API request")[0] + step
            self.client.register_script(source)(args=[str(run), int(running_too)])


def registries(task: str, version: int) -> tuple[str, str]:
    """Every second version of a task reads from another registry."""
    return f"src{version % 2}", "dst"


def images(task: str, version: int) -> list[TransferJob | PlannedOutcome]:
    """What planning finds: some images to copy, one that is up to date; two tasks share a target."""
    relay = "docker" if version % 3 == 2 else "skopeo"
    source, target = registries(task, version)
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
    up_to_date = PlannedOutcome(f"{source}/{task}:9", f"{target}/{task}:9", "", "up-to-date", "up-to-date", digest="d")
    return [*found, up_to_date]


def until_all_is_over(world: World, rounds: int = 250) -> Iterator[int]:
    """With one healthy worker and time: each round is four seconds. Yields the rounds."""
    world.connection.fault = ""
    world.refuse_writes(False)
    world.release_holds()
    world.add_worker(8, KINDS)
    for number in range(rounds):
        yield number
        world.advance(4)
        for worker in world.workers:
            if worker.frozen:
                continue
            worker.heartbeat()
            world.send(worker.tick())
        world.messages = [message for message in world.messages if not world.workers[-1].take(message)]
        for worker in world.workers:
            for name, claim in [] if worker.frozen else list(worker.running.items()):
                if claim.transfer is None:
                    version = int(claim.fingerprint.removeprefix("v"))
                    worker.plan(name, images(claim.task, version), ends=True)
                else:
                    worker.finish(name, Copied(claim.transfer.digest))
