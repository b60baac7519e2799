"""Carrying out what operators ordered: starting runs, telling of ended ones, forgetting tasks that left long ago."""

from __future__ import annotations

import logging

from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.config.current import CurrentConfig
from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.orders import Orders
from dregsy_queue.ledger.report import RunReader
from dregsy_queue.logs import log_fields
from dregsy_queue.scheduling.starter import RunStarter

log = logging.getLogger(__name__)

#: Seconds between two looks for tasks that left the config.
TIDY_EVERY = 600.0


class OrderDesk:
    """Of one role; any number may work at a time. Cheap when there is nothing to do: three Redis calls."""

    def __init__(
        self,
        connection: Connection,
        config: CurrentConfig,
        starter: RunStarter,
        *,
        least_age: float,
        kept_for: float,
        tells_ends: bool = True,
        clock: Clock = SYSTEM,
    ) -> None:
        """`least_age`: seconds for which an order is left to others that know the config better. `kept_for`: seconds
        after which runs that ended are forgotten. `tells_ends`: ended runs are this role's to log; one-command mode
        tells of them itself."""
        self._redis = connection
        self._orders, self._reader = Orders(connection), RunReader(connection)
        self._config, self._starter, self._least_age = config, starter, least_age
        self._kept_for = kept_for
        self._tells_ends = tells_ends
        self._clock = clock
        self._next_tidying = clock.monotonic() + TIDY_EVERY

    def work(self) -> None:
        """Start what was ordered and this config knows; one log line for each run that ended.

        Raises: redis.RedisError.
        """
        for name in self._orders.ordered():
            self._start(name)
        for text in self._orders.told():
            log.info("order: %s", text)
        for run in self._orders.ended_runs() if self._tells_ends else ():
            self._tell(run)
        if self._clock.monotonic() >= self._next_tidying:
            self._next_tidying = self._clock.monotonic() + TIDY_EVERY
            self._tidy(float(self._redis.time()[0]))

    def _tidy(self, now: float) -> None:
        for task in self._orders.forget_left(now):
            log.info("forgotten: the task left the config a day ago", extra=log_fields(task=task))
        if forgotten := self._orders.forget_old_runs(now - self._kept_for):
            log.info("forgotten: %d runs that ended long ago", len(forgotten))

    def _start(self, name: str) -> None:
        task = self._config.task(name)
        order = self._orders.take(name, self._least_age) if task else None
        if task is None or order is None:
            return
        log.info("a run was ordered", extra=log_fields(task=name))
        self._starter.start(task, self._config.get().config)
        newest = self._reader.newest(name)
        self._orders.carried_out(name, order, newest.run if newest else "")

    def _tell(self, name: str) -> None:
        run = self._reader.counts(name)
        if run is None:
            return
        more = {"cancelled": run.cancelled} if run.cancelled else {}
        log.log(
            logging.WARNING if run.failed else logging.INFO,
            "run ended: %s",
            run.outcome,
            extra=log_fields(**run.figures, bytes=run.sent, **more),
        )
