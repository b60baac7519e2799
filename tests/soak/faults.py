"""The faults: each is begun, told in one line, and is over at the end of its ``with``."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.lab.processes import wait_until
from tests.soak.redis_pair import quietly
from tests.soak.world import GRACE, Seat, World

Fault = Callable[[World, random.Random], AbstractContextManager[str]]
#: By the part of the world that fails, so that two parts can fail at once: role, line, redis.
FAULTS: dict[str, dict[str, Fault]] = {"role": {}, "line": {}, "redis": {}}

#: Seconds for which a worker may end after its grace time, and the machine of tests beside it.
ENDING = 8 + 12


class RoleError(AssertionError):
    """A role did what it must not."""


def fault(part: str, name: str) -> Callable[[Callable[[World, random.Random], Iterator[str]]], Fault]:
    def register(function: Callable[[World, random.Random], Iterator[str]]) -> Fault:
        FAULTS[part][name] = contextmanager(function)
        return FAULTS[part][name]

    return register


def _lose(world: World, choice: random.Random, part: str, end: Callable[[Seat], object]) -> Iterator[str]:
    """A role ends, and another takes its seat."""
    seat = choice.choice(world.seats_of(part))
    end(seat)
    yield seat.name
    world.replace(seat)


@fault("role", "worker killed")
def _worker_killed(world: World, choice: random.Random) -> Iterator[str]:
    return _lose(world, choice, "worker", lambda seat: seat.role.process.kill())


@fault("role", "worker told to end")
def _worker_ends(world: World, choice: random.Random) -> Iterator[str]:
    return _lose(world, choice, "worker", lambda seat: _end(seat, GRACE + ENDING))


@fault("role", "scheduler killed")
def _scheduler_killed(world: World, choice: random.Random) -> Iterator[str]:
    return _lose(world, choice, "beat", lambda seat: seat.role.process.kill())


@fault("role", "scheduler told to end")
def _scheduler_ends(world: World, choice: random.Random) -> Iterator[str]:
    return _lose(world, choice, "beat", lambda seat: _end(seat, ENDING))


@fault("role", "frozen")
def _frozen(world: World, choice: random.Random) -> Iterator[str]:
    """For longer than a lease (20 s) or the leader's lock (10 s); a worker of three, or a scheduler of two."""
    seat = choice.choice([*world.seats_of("worker"), choice.choice(world.seats_of("beat"))])
    seconds = choice.uniform(22, 32)
    seat.role.process.process.send_signal(signal.SIGSTOP)
    yield f"{seat.name} for {seconds:.0f} s"
    time.sleep(seconds)
    seat.role.process.process.send_signal(signal.SIGCONT)


@fault("line", "answers lost")
def _answers_lost(world: World, choice: random.Random) -> Iterator[str]:
    seconds, share = choice.uniform(4, 12), choice.choice([0.02, 0.1, 0.3])
    for line in world.lines:
        line.losing = share
    yield f"{share:.0%} of all for {seconds:.0f} s"
    time.sleep(seconds)
    for line in world.lines:
        line.losing = 0.0


@fault("line", "silent")
def _silent(world: World, choice: random.Random) -> Iterator[str]:
    """Half-open connections: nothing comes through, nothing is closed."""
    seats = choice.choice([world.seats, [choice.choice(world.seats_of("worker"))], world.seats_of("beat")[:1]])
    seconds = choice.uniform(5, 40)
    for seat in seats:
        seat.line.fall_silent()
    yield f"{', '.join(seat.name for seat in seats)} for {seconds:.0f} s"
    time.sleep(seconds)
    for seat in seats:
        seat.line.speak()


@fault("line", "all connections cut")
def _cut(world: World, choice: random.Random) -> Iterator[str]:
    times = choice.randint(1, 6)
    yield f"{times} times"
    for _ in range(times):
        for line in world.lines:
            line.cut()
        time.sleep(choice.uniform(0.1, 1.5))


@fault("redis", "killed")
def _killed(world: World, choice: random.Random) -> Iterator[str]:
    """With an append-only file that is written every second."""
    seconds = choice.uniform(0.2, 20)
    world.redis.primary.kill()
    yield f"away for {seconds:.0f} s"
    time.sleep(seconds)
    world.redis.primary.start()


@fault("redis", "stalled")
def _stalled(world: World, choice: random.Random) -> Iterator[str]:
    seconds = choice.choice([4, 12, 25])
    world.redis.primary.signal(signal.SIGSTOP)
    yield f"{seconds} s"
    time.sleep(seconds)
    world.redis.primary.signal(signal.SIGCONT)


@fault("redis", "refuses writes")
def _refuses(world: World, choice: random.Random) -> Iterator[str]:
    name, refuse, accept = choice.choice(
        [
            ("out of memory", ("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
            ("read-only", ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
            (
                "too few replicas",
                ("CONFIG", "SET", "min-replicas-to-write", "5"),
                ("CONFIG", "SET", "min-replicas-to-write", "0"),
            ),
        ]
    )
    seconds = choice.uniform(5, 30)
    with world.redis.primary.client() as client:
        quietly(client, *refuse)
        yield f"{name} for {seconds:.0f} s"
        time.sleep(seconds)
        quietly(client, *accept)


@fault("redis", "older dump")
def _older(world: World, choice: random.Random) -> Iterator[str]:
    dump, seconds = world.redis.dump(), choice.uniform(5, 25)
    yield f"as of {seconds:.0f} s ago"
    time.sleep(seconds)
    world.redis.restore(dump)


@fault("redis", "failed over")
def _failed_over(world: World, choice: random.Random) -> Iterator[str]:
    seconds = choice.uniform(1, 8)
    world.redis.fail_over()
    yield f"to port {world.redis.primary.port}, in {seconds:.0f} s"
    time.sleep(seconds)
    world.lead_to_primary()
    world.redis.bring_back()


@fault("redis", "emptied")
def _emptied(world: World, choice: random.Random) -> Iterator[str]:
    with world.redis.primary.client() as client:
        client.flushall()
        client.script_flush()
    yield "with its scripts"


def _end(seat: Seat, seconds: float) -> None:
    """SIGTERM. Raises: RoleError where it does not end well in time."""
    # Before that, SIGTERM ends it as it ends any program.
    started = b"is ready" if seat.kind == "worker" else b'"msg"'
    wait_until(lambda: started in seat.role.log.read_bytes(), 60, f"the start of {seat.name}")
    began = time.monotonic()
    code = seat.role.process.stop(timeout=seconds)
    if code != 0:
        took = time.monotonic() - began
        raise RoleError(f"{seat.name}: SIGTERM ended it with {code} after {took:.0f} s, of {seconds} s")
