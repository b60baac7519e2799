"""Limits per registry that all workers keep together, on Redis' clock."""

from __future__ import annotations

import random
from dataclasses import dataclass

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.keys import key
from dregsy_queue.ledger.scripts import Scripts

#: Pauses after a refusal that names no wait: the first, doubling up to the longest; in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 900.0
#: Longest pause that a registry may ask for, in seconds: longer than any registry's window of pulls.
LONGEST_ASKED = 6 * 3600.0
#: An API request refused this soon after another belongs to the same refusal, in seconds.
UNDER_WAY = 5.0
#: Longest time that an API request is counted as under way, in seconds.
LONGEST_REQUEST = 120.0
#: A registry whose quota holds jobs up is asked what is left at most and at least so often, in seconds.
SHORTEST_PROBE, LONGEST_PROBE = 1.0, 60.0


@dataclass(frozen=True)
class Limits:
    """What all workers together may do with one registry; None: not limited."""

    max_concurrent: int | None = None
    #: transfers started in any window of so many seconds
    transfers: tuple[int, float] | None = None
    #: API requests in any window of so many seconds
    requests: tuple[int, float] | None = None
    #: pulls left for others, by the registry's own count
    reserve: int | None = None


@dataclass(frozen=True)
class Probe:
    """`source` (a whole reference) of a waiting job of `task`: a HEAD of it tells what is left of the quota."""

    task: str
    source: str


class RegistryLimiter:
    def __init__(self, connection: Connection) -> None:
        self._redis = connection
        self._scripts = Scripts(connection)

    def configure(self, registry: str, limits: Limits) -> None:
        """Set the limits of a registry for the whole cluster, as the scheduler's config has them."""
        values: dict[str, str] = {}
        if limits.max_concurrent is not None:
            values["max-concurrent"] = str(limits.max_concurrent)
        if limits.transfers is not None:
            values["transfers"], values["window"] = map(str, limits.transfers)
        if limits.reserve is not None:
            values["reserve"] = str(limits.reserve)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.delete(key("limits", registry))
        if values:
            pipeline.hset(key("limits", registry), mapping=values)
        pipeline.execute()

    def pause(self, registry: str, asked: float | None, job: str = "") -> tuple[float, bool]:
        """A registry refused `job` (or, without one, an API request) for too many requests.

        `asked`: seconds it wants to be left alone, if it said so. Returns the seconds of the pause that stands now,
        and whether this refusal began it.
        """
        seconds, new = self._scripts.run(
            "pause",
            registry,
            "" if asked is None else asked,
            job,
            FIRST_PAUSE,
            LONGEST_PAUSE,
            random.random(),  # noqa: S311 - spreads load
            UNDER_WAY,
            LONGEST_ASKED,
        )
        return float(seconds), bool(new)

    def pauses(self) -> dict[str, float]:
        """Seconds left by registry; 0: the pause is over, but no request has come through since."""
        flat = self._scripts.run("pauses")
        return {registry: float(seconds) for registry, seconds in zip(*[iter(flat)] * 2, strict=True)}

    def pace(self, registry: str, request: str, rate: tuple[int, float]) -> float:
        """Seconds to wait before asking again; 0: the request may be sent, and `paced` must follow."""
        return float(self._scripts.run("pace", registry, request, *rate, LONGEST_REQUEST))

    def paced(self, registry: str, request: str, *, good: bool) -> None:
        """The request was answered; `good`: not by a refusal for too many requests."""
        self._scripts.run("paced", registry, request, int(good))

    def observe_quota(self, registry: str, limit: int, window: float, left: int) -> None:
        """A registry said how many of `limit` pulls per `window` seconds are left."""
        self._scripts.run("observe_quota", registry, limit, window, left)

    def probes(self) -> list[Probe]:
        """HEADs that this worker, and no other, shall send now."""
        flat = self._scripts.run("probe", SHORTEST_PROBE, LONGEST_PROBE)
        return [Probe(task, source) for task, source in zip(*[iter(flat)] * 2, strict=True)]

    def free_request(self, registry: str) -> bool:
        """Claim the first request after a pause. One caller gets True; the claim lasts 30 s."""
        return bool(self._redis.set(key("trying", registry), "1", nx=True, ex=30))

    def request_tried(self, registry: str) -> None:
        self._redis.delete(key("trying", registry))
