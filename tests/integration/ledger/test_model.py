"""Any order of events, on the real scripts and a real Redis: what must be true is true after each step, and in the end,
with one healthy worker and time, every run ends."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dregsy_queue.ledger import claims as claims_module
from dregsy_queue.ledger import runs as runs_module
from dregsy_queue.ledger import scripts
from dregsy_queue.ledger.outcome import Copied, Failed, Outcome, PutBack, RetryAfter
from dregsy_queue.ledger.quotas import Quotas
from dregsy_queue.ledger.registry_limits import Limits, RegistryLimiter
from tests.lab.redis import RedisServer

from .invariants import State, check
from .model import BETWEEN, KINDS, Worker, World, images, until_all_is_over

#: More of them by hand: DREGSY_MODEL_EXAMPLES=2000.
EXAMPLES = int(os.environ.get("DREGSY_MODEL_EXAMPLES", "100"))
TASKS = ("a", "b:runs", "c")
#: What becomes of one call: see `FaultyConnection`.
FAULT = st.sampled_from(("", "", "request", "answer", "twice"))

_client: redis.Redis


class Ledger(RuleBasedStateMachine):
    """Rules are events; `n` chooses among the workers, messages or jobs that there are."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(_client)
        self.limiter = RegistryLimiter(self.world.ledger)
        self.versions = dict.fromkeys(TASKS, 0)

    @initialize(slots=st.integers(2, 4), tasks=st.sampled_from((("a",), ("a", "b:runs"), TASKS)))
    def one_worker_and_some_runs(self, slots: int, tasks: tuple[str, ...]) -> None:
        self.world.add_worker(slots, KINDS)
        for task in tasks:
            self.world.start(task, 0)
        self.work(0, 3)

    def _awake(self, n: int) -> Worker | None:
        awake = [worker for worker in self.world.workers if not worker.frozen]
        return awake[n % len(awake)] if awake else None

    # what happens on good days

    @rule(task=st.sampled_from(TASKS), changed=st.booleans())
    def start(self, task: str, changed: bool) -> None:
        self.versions[task] += changed
        self.world.start(task, self.versions[task])

    @rule(n=st.integers(0, 5), seconds=st.sampled_from((0, 0, 1, 5)))
    def tick(self, n: int, seconds: int) -> None:
        self.world.advance(seconds)
        if worker := self._awake(n):
            self.world.send(worker.tick())

    @rule(n=st.integers(0, 5))
    def heartbeat(self, n: int) -> None:
        if worker := self._awake(n):
            worker.heartbeat()

    @rule(n=st.integers(0, 5), most=st.integers(0, 3))
    def work(self, n: int, most: int) -> None:
        """What one worker does in a few seconds, but ending transfers: other events meet a ledger in full swing."""
        if worker := self._awake(n):
            for _ in range(2):
                worker.heartbeat()
                self.world.send(worker.tick())
                some, rest = self.world.messages[:most], self.world.messages[most:]
                self.world.messages = [message for message in some if not worker.take(message)] + rest
                for name, claim in list(worker.running.items()):
                    if claim.transfer is None:
                        worker.plan(name, images(claim.task, int(claim.fingerprint[1:])), ends=True)

    @rule(n=st.integers(0, 30), m=st.integers(0, 5), stays=st.booleans(), fault=FAULT)
    def deliver(self, n: int, m: int, stays: bool, fault: str) -> None:
        """`stays`: the message comes again, as messages may."""
        worker = self._awake(m)
        if worker and not self.world.messages:
            self.world.send(worker.tick())
        if worker and self.world.messages:
            self.world.connection.fault = fault
            message = self.world.messages[n % len(self.world.messages)]
            if worker.take(message) and not stays:
                self.world.messages.remove(message)

    @rule(
        n=st.integers(0, 5),
        m=st.integers(0, 5),
        how=st.sampled_from(("copied", "failed", "later", "back")),
        fault=FAULT,
    )
    def finish(self, n: int, m: int, how: str, fault: str) -> None:
        worker = self._awake(n)
        transfers = sorted(name for name, claim in worker.running.items() if claim.transfer) if worker else []
        if worker and transfers:
            outcomes: dict[str, Outcome] = {
                "copied": Copied("d"),
                "failed": Failed("no"),
                "later": RetryAfter(30, "busy"),
                "back": PutBack(delay=200),
            }
            self.world.connection.fault = fault
            worker.finish(transfers[m % len(transfers)], outcomes[how])

    @rule(n=st.integers(0, 5), some=st.integers(0, 5), how=st.sampled_from(("goes on", "ends", "waits")))
    def plan(self, n: int, some: int, how: str) -> None:
        worker = self._awake(n)
        plans = sorted(name for name, claim in worker.running.items() if not claim.transfer) if worker else []
        if worker and plans:
            if how == "waits":
                worker.finish(plans[0], PutBack(delay=20))
                return
            claim = worker.running[plans[0]]
            found = images(claim.task, int(claim.fingerprint[1:]))
            worker.plan(plans[0], found if how == "ends" else found[:some], ends=how == "ends")

    @rule(seconds=st.sampled_from((1, 4, 6, 21, 40, 90)))
    def time_passes(self, seconds: int) -> None:
        self.world.advance(seconds)

    @rule(
        n=st.integers(0, 5),
        slots=st.integers(1, 4),
        what=st.sampled_from(("comes", "can only plan", "dies", "freezes", "freezes", "returns", "drains", "leaves")),
    )
    def workers_change(self, n: int, slots: int, what: str) -> None:
        workers = self.world.workers
        if what in ("comes", "can only plan") or not workers:
            if len(workers) < 4:
                self.world.add_worker(slots, KINDS if what == "comes" else ("plan",))
            return
        worker = workers[n % len(workers)]
        if what == "dies" or (what == "leaves" and not worker.frozen):
            workers.remove(worker)
            worker.end(with_a_word=what == "leaves")
        elif what == "drains":
            worker.draining = True
        else:
            worker.frozen = what == "freezes"

    @rule(
        what=st.sampled_from(("request", "answer", "answer", "twice", "refuses", "accepts", "save", "older", "empty"))
    )
    def redis_fails(self, what: str) -> None:
        """The next call is lost, or its answer, or it is made twice; writes are refused; data comes back older."""
        if what in ("request", "answer", "twice"):
            self.world.connection.fault = what
        elif what in ("refuses", "accepts"):
            self.world.refuse_writes(what == "refuses")
        elif what == "save":
            self.world.save()
        elif what == "older" and self.world.saved:
            self.world.restore()
        elif what == "empty":
            self.world.empty()

    @precondition(lambda self: not self.world.refuses and not self.world.connection.fault)
    @rule(
        task=st.sampled_from(TASKS),
        registry=st.sampled_from(("src0", "src1", "dst")),
        what=st.sampled_from(("cancel", "cancel all", "hold", "resume", "pause", "quota", "limit")),
        most=st.sampled_from((1, 2, None)),
    )
    def orders_and_registries(self, task: str, registry: str, what: str, most: int | None) -> None:
        if what in ("cancel", "cancel all"):
            self.world.cancel(task, running_too=what == "cancel all")
        elif what == "hold":
            for name in (f"task {task}", f"registry {registry}"):
                _client.hset("dregsy:holds", name, json.dumps({"since": 0, "until": 0, "reason": "an order"}))
        elif what == "resume":
            self.world.release_holds()
        elif what == "pause":
            self.limiter.pause(registry, None if most is None else most * 1e9)
        elif what == "quota":
            Quotas(self.world.ledger).observe(registry, 100, 3600, 10**17)
        elif not State(_client).get(f"using:{registry}"):
            self.limiter.configure(registry, Limits(max_concurrent=most))

    # what must be true

    @invariant()
    def what_must_be_true_is_true(self) -> None:
        check(_client)

    def teardown(self) -> None:
        self.world.refuse_writes(False)
        _client.delete("dregsy:pause:src0", "dregsy:pause:src1", "dregsy:pause:dst", "dregsy:paused")
        over = False
        for _ in until_all_is_over(self.world):
            state = check(_client)
            over = not any("active" in fields for name, fields in state.below("task:").items() if ":" not in name)
            if over and not state.get("chores"):
                break
        assert over, "a run did not end, though a healthy worker had all the time it needed"
        state = check(_client)
        left = [
            name for name in state.values if name.startswith(("using:", "running:", "admitted:", "targets", "delay"))
        ]
        assert not left, f"something is held by nobody: {left}"
        super().teardown()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    numbers = itertools.count(1)
    monkeypatch.setattr(scripts, "between", BETWEEN)
    monkeypatch.setattr(runs_module, "outlast", lambda call: call())
    for module in (runs_module, claims_module):
        monkeypatch.setattr(module.secrets, "token_hex", lambda _: f"{next(numbers):08x}")
    server = RedisServer(tmp_path / "redis", unix_socket=True).start()
    with server.client() as client:
        yield client
    server.kill()


def test_whatever_happens(client: redis.Redis) -> None:
    global _client  # noqa: PLW0603 - hypothesis makes the machine
    _client = client
    # Settled by the number of examples alone: what a slow machine cannot do in a second is no failure.
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        database=None,
        print_blob=True,
    )
    run_state_machine_as_test(Ledger, settings=chosen)
