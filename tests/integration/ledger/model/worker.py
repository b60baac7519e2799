"""A worker of the model: what it claims, plans, ends and says, through the real classes of the ledger."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import cast

from redis import RedisError

from dregsy_queue.ledger.admission import Admission
from dregsy_queue.ledger.claims import Claim, Claims
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.in_hand import InHand
from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.outcome import Copied, Failed, Outcome, PutBack
from dregsy_queue.ledger.presence import Presence
from dregsy_queue.ledger.runs import PlanLostError, Runs

from .redis_side import RedisSide


@dataclass(frozen=True)
class Message:
    job: str
    epoch: int


@dataclass
class Worker:
    name: str
    connection: Connection
    slots: int
    kinds: tuple[str, ...]
    redis: RedisSide
    #: job → how workers said that it ended; of all workers
    said: defaultdict[str, set[str]]
    #: run → targets of images that shards have, or had; of all workers
    shared: defaultdict[str, set[str]]
    frozen: bool = False
    draining: bool = False
    running: dict[str, Claim] = field(default_factory=dict)
    #: plan → targets that it has handed on, or left to shards
    told: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        in_hand = InHand()
        self.claims = Claims(self.connection, in_hand)
        self.runs = Runs(self.connection, in_hand)
        self.presence = Presence(self.connection)
        self.admission = Admission(self.connection)

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
            held = self.redis.fields(key("job", claim.job), "state", "owner", "epoch")
            assert held == ["running", self.name, str(claim.epoch)], f"{claim.name} was claimed, the ledger has {held}"
            self.running[claim.name] = claim
            self.told.pop(claim.name, None)
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

    def finish(self, name: str, outcome: Outcome) -> None:
        claim = self.running.pop(name)
        if isinstance(outcome, Copied | Failed):
            self.said[claim.job].add("copied" if isinstance(outcome, Copied) else "failed")
        self.claims.settle(claim, outcome, 1.0)
        self.claims.done_with(claim)

    def plan(self, name: str, images: list[TransferJob | PlannedOutcome], *, ends: bool) -> None:
        """Hand on some images, each once; `ends`: these were the last."""
        claim, told = self.running[name], self.told[name]
        try:
            self.runs.add(claim, [image for image in images if image.target not in told])
            told.update(image.target for image in images)
            if not ends:
                return
            self.runs.end_plan(claim, targets=0 if claim.shard else len(told))
        except (PlanLostError, RedisError, OSError):
            pass
        del self.running[name]
        self.claims.done_with(claim)

    def share(self, name: str, images: list[TransferJob | PlannedOutcome], shards: int) -> None:
        """Leave these images to so many shards."""
        claim = self.running[name]
        with contextlib.suppress(PlanLostError, RedisError, OSError):
            for number in range(0 if claim.shard else shards):
                targets = [image.target for image in images[number::shards]]
                self.runs.share(claim, json.dumps(targets))
                self.shared[claim.run].update(targets)
                self.told[name].update(targets)

    def transfers(self) -> list[str]:
        return sorted(name for name, claim in self.running.items() if claim.transfer)

    def plans(self) -> list[str]:
        return sorted(name for name, claim in self.running.items() if not claim.transfer)


def faulty(connection: object) -> Connection:
    """The connection on a bad day, as the one that the ledger knows."""
    return cast(Connection, connection)
