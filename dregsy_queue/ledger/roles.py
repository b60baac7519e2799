"""Roles: which schedulers and workers live, which scheduler leads, and by which config each works."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import dregsy_queue
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.scripts import Scripts
from dregsy_queue.prefix import CLUSTER

Kind = Literal["scheduler", "worker"]
_KINDS: tuple[Kind, ...] = ("scheduler", "worker")

#: Seconds between two marks of life, how long one counts, and how long a role that is gone is remembered.
RENEW, LEASE, REMEMBERED = 5.0, 20.0, 3600


@dataclass(frozen=True)
class Scheduled:
    """What the leading scheduler has in store for a task."""

    #: seconds between two runs; 0: a one-off task
    interval: int
    #: Unix time in seconds of the next run; 0: there is none
    next_run: float


@dataclass(frozen=True)
class Role:
    kind: Kind
    #: ``host#pid`` of a scheduler, a worker's own name
    name: str
    leads: bool
    #: hash of the bytes of the config in use, cut to a few digits; "" when not known
    config: str
    #: why the newest config file is not used; "" when it is
    error: str
    version: str
    #: Unix time in seconds of the first mark of life
    since: float
    #: seconds since the last mark of life
    age: float
    #: name of its cluster; "" for none
    cluster: str = ""

    @property
    def lives(self) -> bool:
        return self.age < LEASE


def replaced(roles: Collection[Role], now: float) -> list[Role]:
    """Lost roles that newer ones have replaced, each newer one a single lost one.

    A killed container or process is usually started again, under another name: that is no alarm any more. Roles that
    begin at the same time, give or take two marks of life, replace nobody.
    """
    found, free = [], sorted(roles, key=lambda role: role.since)
    for lost in sorted((role for role in roles if not role.lives), key=lambda role: -role.age):
        earliest = max(now - lost.age, lost.since + 2 * RENEW)
        successor = next((role for role in free if role is not lost and role.since > earliest), None)
        if successor:
            free.remove(successor)
            found.append(lost)
    return found


class Roles:
    def __init__(self, connection: Connection, cluster: str = CLUSTER) -> None:
        self._redis, self._cluster = connection, cluster
        self._scripts = Scripts(connection)

    def lead(self, name: str, seconds: float) -> Literal["no", "anew", "still"]:
        """Lead for so many seconds, unless another scheduler does; may be repeated."""
        found: Literal["no", "anew", "still"] = ("no", "anew", "still")[int(self._scripts.run("lead", name, seconds))]
        return found

    def stop_leading(self, name: str) -> None:
        """If this scheduler leads, another one may at once."""
        self._scripts.run("stop_leading", name)

    def renew(
        self,
        kind: Kind,
        name: str,
        *,
        config_hash: str = "",
        config_error: str = "",
        scheduled: Mapping[str, Scheduled] | None = None,
    ) -> None:
        """Say every `RENEW` seconds that this role lives.

        `scheduled`: all tasks of the leader's config, None: as before. A task that Redis knows and that is not among
        them has left the config. Ignored when this role does not lead (any more).
        """
        tasks = {task: [found.interval, found.next_run] for task, found in (scheduled or {}).items()}
        self._scripts.run(
            "renew_role",
            kind,
            name,
            LEASE,
            REMEMBERED,
            config_hash,
            config_error,
            dregsy_queue.__version__,
            json.dumps(tasks) if scheduled is not None else "",
            self._cluster,
        )

    def leave(self, kind: Kind, name: str) -> None:
        """The role ended in good order: nobody reports it as lost."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.zrem(key("roles", kind), name)
        pipeline.delete(key("role", kind, name))
        pipeline.execute()

    def list(self, kind: Kind) -> list[Role]:
        """Roles that live, and those that were lost within the last hour and that none has replaced, by name."""
        seconds, microseconds = self._redis.time()
        now, found = seconds + microseconds / 1e6, []
        names = sorted(self._redis.zrange(key("roles", kind), 0, -1))
        leader = self._redis.get(key("beat", "", "lock")) if kind == "scheduler" else None
        for name in names:
            fields = self._redis.hgetall(key("role", kind, name))
            ends = self._redis.zscore(key("roles", kind), name)
            if not fields or ends is None:
                continue
            found.append(
                Role(
                    kind=kind,
                    name=name,
                    leads=name == leader,
                    config=fields.get("config", ""),
                    error=fields.get("error", ""),
                    version=fields.get("version", ""),
                    cluster=fields.get("cluster", ""),
                    since=float(fields.get("since", 0)),
                    age=max(0.0, now - (ends - LEASE)),
                )
            )
        return [role for role in found if role not in replaced(found, now)]

    def others(self) -> tuple[str, ...]:
        """Names of other clusters whose roles live in this Redis under the same prefix."""
        living = [role.cluster for kind in _KINDS for role in self.list(kind) if role.lives]
        return tuple(sorted({name for name in living if name and self._cluster and name != self._cluster}))

    def scheduled(self) -> dict[str, Scheduled]:
        """What the scheduler that led last has in store, by task."""
        text = self._redis.get(key("scheduled"))
        found = json.loads(text) if text else {}
        return {task: Scheduled(int(interval), float(next_run)) for task, (interval, next_run) in found.items()}
