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
#: Seconds for which a request that tries a registry after a pause is the only one.
TRIAL = 30
#: Longest time that an API request is counted as under way, in seconds.
LONGEST_REQUEST = 120.0


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

    def start_request(self, registry: str, request: str, rate: tuple[int, float]) -> float:
        """Seconds to wait before asking again; 0: the request may be sent, and `end_request` must follow."""
        return float(self._scripts.run("start_request", registry, request, *rate, LONGEST_REQUEST))

    def end_request(self, registry: str, request: str, *, good: bool) -> None:
        """The request was answered; `good`: not by a refusal for too many requests."""
        self._scripts.run("end_request", registry, request, int(good))

    def claim_trial(self, registry: str) -> bool:
        """Claim the one request that tries a registry after its pause. One caller gets True, for `TRIAL` s."""
        return bool(self._redis.set(key("trying", registry), "1", nx=True, ex=TRIAL))

    def end_trial(self, registry: str) -> None:
        """The request was answered, or came to nothing: the next one may be claimed."""
        self._redis.delete(key("trying", registry))
