"""A ledger on a real Redis, and shorthands for what workers and planners do with it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import pytest

from dregsy_queue.ledger import scripts
from dregsy_queue.ledger.admission import Admission, Admitted
from dregsy_queue.ledger.claims import Claim, Claims
from dregsy_queue.ledger.connection import Connection, connect
from dregsy_queue.ledger.in_hand import InHand
from dregsy_queue.ledger.jobs import PlannedOutcome, TransferJob
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.outcome import Copied
from dregsy_queue.ledger.presence import Presence
from dregsy_queue.ledger.records import Records
from dregsy_queue.ledger.report import RunReader
from dregsy_queue.ledger.runs import Runs
from dregsy_queue.oci.digest import Digest


def image(number: int, target: str = "", task: str = "t") -> TransferJob:
    digest = Digest(f"sha256:{number:064x}")
    return TransferJob(
        source=f"src.example/{task}:{number}",
        target=target or f"dst.example/{task}:{number}",
        platform="",
        relay="skopeo",
        reason="missing",
        source_digest=digest,
        digest=digest,
    )


class Ledger:
    """All of coordination on one Redis."""

    def __init__(self, url: str) -> None:
        self.redis: Connection = connect(url)
        in_hand = InHand()
        self.runs = Runs(self.redis, in_hand)
        self.claims = Claims(self.redis, in_hand)
        self.admission = Admission(self.redis)
        self.presence = Presence(self.redis)
        self.records = Records(self.redis)
        self.reader = RunReader(self.redis)

    def worker(self, name: str = "w1", slots: int = 4, kinds: Iterable[str] = ("plan", "shard", "skopeo")) -> str:
        self.presence.heartbeat(name, slots=slots, kinds=kinds)
        return name

    def let_die(self, name: str) -> None:
        """End a worker's lease now."""
        self.redis.zadd(key("workers"), {name: 1})

    def start(
        self,
        task: str = "t",
        priority: int = 5,
        kept: int = 5,
        source: str = "src.example",
        target: str = "dst.example",
    ) -> str:
        return self.runs.start(task, "fingerprint", priority=priority, kept=kept, source=source, target=target).run

    def claim(self, admitted: Admitted, worker: str = "w1") -> Claim:
        claim = self.claims.take(admitted.job, admitted.epoch, worker)
        assert claim is not None
        return claim

    def planned(self, jobs: Iterable[TransferJob | PlannedOutcome], task: str = "t", priority: int = 5) -> str:
        """A run of `task`, planned to its end by worker ``w1``."""
        run = self.start(task, priority)
        (admitted,) = [job for job in self.admission.admit() if job.job == f"{run}:plan"]
        plan = self.claim(admitted)
        self.runs.add(plan, jobs)
        assert self.runs.end_plan(plan)
        return run

    def run_all(self, worker: str = "w1") -> list[str]:
        """Admit and finish jobs until nothing is left; their sources in order."""
        order = []
        while batch := self.admission.admit():
            for admitted in batch:
                claim = self.claim(admitted, worker)
                assert claim.transfer
                order.append(claim.transfer.source)
                self.claims.settle(claim, Copied(claim.transfer.digest), 0.1)
        return order


class Clock:
    """Redis' clock for scripts: it stands still until a test lets time pass."""

    KEY = "test:clock"

    def __init__(self, redis: Connection) -> None:
        self._redis = redis
        self.now = time.time()
        self.let_pass(0)

    def let_pass(self, seconds: float) -> None:
        self.now += seconds
        self._redis.set(self.KEY, f"{self.now:.6f}")


@pytest.fixture
def clock(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(
        scripts, "between", f"clock = function() return tonumber(redis.call('GET', '{Clock.KEY}')) end\n"
    )
    return Clock(ledger.redis)


@pytest.fixture
def ledger(redis_url: str) -> Iterator[Ledger]:
    ledger = Ledger(redis_url)
    yield ledger
    ledger.redis.close()
