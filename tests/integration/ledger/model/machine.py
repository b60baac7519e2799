"""The rules: what can happen to the ledger, in any order."""

from __future__ import annotations

import contextlib
import itertools
import sys
from typing import ClassVar

import redis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis import RedisError

from dregsy_queue.ledger.outcome import Copied, Failed, Outcome, PutBack, RetryAfter
from dregsy_queue.ledger.registry_limits import Limits
from dregsy_queue.oci.digest import Digest

from .direct import Direct
from .invariants import History, State, check, check_over
from .world import KINDS, REGISTRIES, TASKS, World, images_of, work_off

#: Chooses among the workers, messages or jobs that there are.
N = st.integers(0, 7)
TASK, REGISTRY = st.sampled_from(TASKS), st.sampled_from(REGISTRIES)
#: What becomes of one call: see `FaultyConnection`; and how many calls before it come through.
FAULT, AFTER = st.sampled_from(("", "", "request", "answer", "twice")), st.sampled_from((0, 0, 1, 2, 4))

#: Into how many a plan is cut.
SHARDS = st.sampled_from((0, 0, 1, 3))

#: Jobs at once at a registry.
MOST = (1, 2, None)

#: Tokens and run ids of one example are its own, so that it can be repeated.
tokens = itertools.count(1)


class Machine(RuleBasedStateMachine):
    direct: ClassVar[Direct]
    client: ClassVar[redis.Redis]

    def __init__(self) -> None:
        global tokens  # noqa: PLW0603 - stands for secrets.token_hex
        super().__init__()
        tokens = itertools.count(1)
        self.world = World(self.direct, self.client)
        self.history = History(self.world.said, self.world.shared)
        self._looked = ""
        #: a key has vanished
        self.damaged = False

    @initialize(
        slots=st.integers(2, 4),
        tasks=st.sampled_from((("a",), ("a", "b:runs"), TASKS)),
        most=st.sampled_from(MOST),
        before=st.sampled_from(("nothing", "good", "failed")),
    )
    def one_worker_and_some_runs(self, slots: int, tasks: tuple[str, ...], most: int | None, before: str) -> None:
        """`before`: how the last run of the first task ended."""
        self.world.limiter.configure("dst", Limits(max_concurrent=most))
        worker = self.world.add_worker(slots, KINDS)
        if before != "nothing":
            self.world.start(tasks[0])
            self.world.run_through(worker, Failed("no") if before == "failed" else Copied(Digest("d")))
        for task in tasks[before == "failed" :]:
            self.world.start(task)
        self.work(0, 3, "ends", 0)

    # what happens on good days

    @rule(task=TASK, changed=st.booleans())
    def start(self, task: str, changed: bool) -> None:
        self.world.versions[task] += changed
        self.world.start(task)

    @rule(n=N, seconds=st.sampled_from((0, 0, 1, 5)))
    def tick(self, n: int, seconds: int) -> None:
        self.world.redis.advance(seconds)
        if worker := self.world.awake(n):
            self.world.send(worker.tick())

    @rule(n=N)
    def heartbeat(self, n: int) -> None:
        if worker := self.world.awake(n):
            worker.heartbeat()

    @rule(n=N, most=st.integers(0, 4), shards=SHARDS,
          plans=st.sampled_from(("stay", "ends", "ends", "goes on", "is half lost")))  # fmt: skip
    def work(self, n: int, most: int, plans: str, shards: int) -> None:
        """What one worker does in a few seconds, but ending transfers: other events meet a ledger in full swing.

        A plan that ``is half lost``: a fail-over loses some of it, and leaves it its planner.
        """
        if worker := self.world.awake(n):
            for _ in range(2):
                worker.heartbeat()
                self.world.send(worker.tick())
                self.world.deliver(worker, most)
                for name in worker.plans() if plans != "stay" else ():
                    if plans == "is half lost":
                        self.world.copy()
                        worker.plan(name, images_of(worker, name)[: most + 2], ends=False)
                        self.history.forget()
                        self.world.restore()
                        if name in worker.running:
                            worker.plan(name, images_of(worker, name), ends=True)
                        continue
                    worker.share(name, images_of(worker, name), shards)
                    found = images_of(worker, name)
                    # A shard that ends is planned as a whole: no other one has its images.
                    worker.plan(name, found if worker.running[name].shard else found[: most + 2], ends=plans == "ends")

    @rule(n=N, m=N, stays=st.booleans(), fault=FAULT)
    def deliver(self, n: int, m: int, stays: bool, fault: str) -> None:
        """`stays`: the message comes again, as messages may."""
        world = self.world
        worker = world.awake(m)
        if worker and not world.messages:
            world.send(worker.tick())
        if worker and world.messages:
            world.connection.disturb(fault)
            message = world.messages[n % len(world.messages)]
            if worker.take(message) and not stays:
                world.messages.remove(message)

    @rule(n=N, m=N, how=st.sampled_from(("copied", "failed", "later", "back")), fault=FAULT)
    def finish(self, n: int, m: int, how: str, fault: str) -> None:
        worker = self.world.awake(n)
        if worker and (transfers := worker.transfers()):
            outcomes: dict[str, Outcome] = {
                "copied": Copied(Digest("d")),
                "failed": Failed("no"),
                "later": RetryAfter(30, "busy"),
                "back": PutBack(delay=200),
            }
            self.world.connection.disturb(fault)
            worker.finish(transfers[m % len(transfers)], outcomes[how])

    @rule(n=N, failing=st.booleans())
    def finish_all(self, n: int, failing: bool) -> None:
        if worker := self.world.awake(n):
            work_off(worker, Failed("no") if failing else Copied(Digest("d")))

    @rule(n=N, some=st.integers(0, 5), how=st.sampled_from(("goes on", "ends", "waits")), shards=SHARDS, fault=FAULT)
    def plan(self, n: int, some: int, how: str, shards: int, fault: str) -> None:
        worker = self.world.awake(n)
        if worker and (plans := worker.plans()):
            worker.share(plans[0], images_of(worker, plans[0])[some:], shards)
            self.world.connection.disturb(fault)
            if how == "waits":
                worker.finish(plans[0], PutBack(delay=20))
                return
            found = images_of(worker, plans[0])
            worker.plan(plans[0], found if how == "ends" else found[:some], ends=how == "ends")

    @rule(seconds=st.sampled_from((1, 4, 6, 21, 40, 90, -3600)))
    def time_passes(self, seconds: int) -> None:
        """Below 0: the clock was wrong, and is set right."""
        self.world.redis.advance(seconds)

    @rule(
        n=N,
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

    # what operators and registries do

    @rule(task=TASK, registry=REGISTRY, n=N, fault=FAULT, after=AFTER,
          verb=st.sampled_from(("run", "carry out", "retry", "retry", "cancel", "cancel", "pause", "pause registry",
                                "resume", "forget")))  # fmt: skip
    def operator(self, task: str, registry: str, n: int, fault: str, after: int, verb: str) -> None:
        self.world.connection.disturb(fault, after)
        with contextlib.suppress(RedisError, OSError):
            self._order(verb, task, registry, n)

    def _order(self, verb: str, task: str, registry: str, n: int) -> None:
        orders = self.world.orders
        runs = self.direct.call("LRANGE", f"dregsy:task:{task.replace(':', '%3A')}:runs", 0, -1)
        if verb == "run":
            orders.run(task)
        elif verb == "carry out":
            self.world.carry_out(task)
        elif verb in ("retry", "cancel") and runs:
            self.history.forget()
            run = str(runs[n // 3 % len(runs)])
            orders.retry(run) if verb == "retry" else orders.cancel(run)
        elif verb == "pause":
            orders.hold("task", task, n % 2 * 60, "an order")
        elif verb == "pause registry":
            orders.hold("registry", registry, n % 2 * 60, "an order")
        elif verb == "resume":
            orders.release("task", task)
            orders.release("registry", registry)
        elif verb == "forget":
            orders.forget(task)

    @rule(registry=REGISTRY, what=st.sampled_from(("pause", "quota", "limit")), most=st.sampled_from(MOST))
    def registries(self, registry: str, what: str, most: int | None) -> None:
        limiter = self.world.limiter
        with contextlib.suppress(RedisError, OSError):
            if what == "pause":
                limiter.pause(registry, None if most is None else most * 1e9)
            elif what == "quota":
                self.world.quotas.observe(registry, 100, 3600, 10**17)
            elif not self.direct.call("EXISTS", f"dregsy:using:{registry}"):
                limiter.configure(registry, Limits(max_concurrent=most))

    # what Redis does on bad days

    @rule(fault=FAULT, after=AFTER)
    def a_call_is_disturbed(self, fault: str, after: int) -> None:
        self.world.connection.disturb(fault, after)

    @rule(what=st.sampled_from(("NOREPLICAS", "OOM", "READONLY", "accepts", "copy", "older", "older", "empty")))
    def redis_fails(self, what: str) -> None:
        """It refuses writes; it comes back older, or empty."""
        world = self.world
        if what in ("older", "empty"):
            self.history.forget()
        if what == "copy":
            world.copy()
        elif what == "older" and world.redis.has_copy:
            world.restore()
        elif what == "empty":
            world.empty()
        elif what in ("NOREPLICAS", "OOM", "READONLY", "accepts"):
            world.redis.refuse("" if what == "accepts" else what)

    # what must be true

    @invariant()
    def what_must_be_true_is_true(self) -> None:
        self.what_must_be_true_now()

    def what_must_be_true_now(self) -> None:
        looked = self.world.redis.look()
        if looked != self._looked:
            self._looked = looked
            state = State(looked)
            check(state)
            self.history.follow(state)

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.in_the_end()

    def in_the_end(self) -> None:
        self.world.calm()
        self.every_run_ends()
        state = State(self.world.redis.look())
        check(state)
        check_over(state)

    def every_run_ends(self) -> State:
        for number in self.world.rounds(250):
            if number % 4 == 0:
                self.what_must_be_true_now()
                state = State(self.world.redis.look())
                if not state.active and not state.get("chores"):
                    return state
        raise AssertionError("a run did not end, though a healthy worker had all the time it needed")


class Damaged(Machine):
    """Redis loses single keys, as one does that evicts. Numbers are what they can be then; but each run ends, nothing
    is held by nobody, and after some time all is as if nothing had been."""

    @rule(n=st.integers(0, 200), more=st.booleans())
    def a_key_vanishes(self, n: int, more: bool) -> None:
        self.world.redis.lose(n)
        self.damaged = True
        if more:
            self.world.redis.lose(n * 7)

    def what_must_be_true_now(self) -> None:
        if not self.damaged:
            super().what_must_be_true_now()

    def in_the_end(self) -> None:
        self.world.calm()
        self.every_run_ends()
        for _ in range(3):
            for task in TASKS:
                assert self.world.start(task)
            self.every_run_ends()
        self.direct.call("DEL", "dregsy:repairs")
        self.history.forget()
        self.damaged = False
        super().in_the_end()


def run(machine: type[Machine], *, number: int, examples: int, shrink: bool = True) -> None:
    """The machine with this seed. What a slow computer cannot do in a second is no failure: examples alone count."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.explicit, Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        report_multiple_bugs=False,
        database=None,
        print_blob=True,
    )
    run_state_machine_as_test(seed(number)(machine), settings=chosen)
