"""Prometheus metrics, from the ledger: one exporter sees the whole cluster, whichever processes come and go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from dregsy_queue.ledger.overview import Overview, TaskOverview


class ClusterCollector(Collector):
    """Reads the ledger at each scrape."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview

    def describe(self) -> list[Metric]:
        """None in advance: Redis need not be there yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        tasks = self._overview.tasks()
        yield from self._jobs(tasks)
        yield from self._running()
        yield from self._tasks(tasks)
        yield from self._registries(tasks)
        yield from self._roles()
        holds = GaugeMetricFamily("dregsy_paused_by_operator", "tasks and registries on hold", labels=["kind", "name"])
        for kind, name in self._overview.holds():
            holds.add_metric([kind, name], 1)
        yield holds
        repairs = CounterMetricFamily(
            "dregsy_ledger_repairs", "contradictions repaired in Redis; anything but 0 is a fault"
        )
        repairs.add_metric([], self._overview.repairs())
        yield repairs
        workers = self._overview.workers()
        yield GaugeMetricFamily("dregsy_workers", "workers whose lease stands", value=len(workers))
        slots = GaugeMetricFamily("dregsy_worker_slots", "slots of all workers", labels=["state"])
        running = sum(worker.running for worker in workers)
        slots.add_metric(["busy"], running)
        slots.add_metric(["free"], max(0, sum(worker.slots for worker in workers if not worker.draining) - running))
        yield slots

    def _jobs(self, tasks: Sequence[TaskOverview]) -> Iterator[Metric]:
        outcomes = CounterMetricFamily("dregsy_jobs", "images by outcome", labels=["task", "status", "reason"])
        for tally in self._overview.tallies():
            outcomes.add_metric([tally.task, tally.status, tally.reason], tally.number)
        yield outcomes
        seconds = SummaryMetricFamily("dregsy_transfer_seconds", "time that transfers took", labels=["task"])
        for task, (number, total) in self._overview.transfers().items():
            seconds.add_metric([task], number, total)
        yield seconds
        sent = CounterMetricFamily(
            "dregsy_transferred_bytes",
            "bytes that relays sent to targets, of transfers that succeeded",
            labels=["task"],
        )
        for task, number in self._overview.transferred_bytes().items():
            sent.add_metric([task], number)
        yield sent
        states = GaugeMetricFamily("dregsy_jobs_now", "jobs by state", labels=["state"])
        for state, number in self._overview.states(tasks).items():
            states.add_metric([state], number)
        yield states

    def _running(self) -> Iterator[Metric]:
        moved = GaugeMetricFamily(
            "dregsy_running_transfers_bytes", "bytes so far of transfers that run", labels=["task"]
        )
        rate = GaugeMetricFamily(
            "dregsy_running_transfers_bytes_per_second", "bytes per second of transfers that run", labels=["task"]
        )
        totals = dict[str, tuple[int, float]]()
        for job in self._overview.running_transfers():
            if job.moved:
                total, speed = totals.get(job.task, (0, 0.0))
                totals[job.task] = total + job.moved.bytes, speed + (job.moved.rate or 0)
        for task, (total, speed) in totals.items():
            moved.add_metric([task], total)
            rate.add_metric([task], speed)
        yield from (moved, rate)

    def _tasks(self, tasks: Sequence[TaskOverview]) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("dregsy_task_waiting_jobs", "jobs in the task's backlog", labels=["task"])
        lag = GaugeMetricFamily(
            "dregsy_mirror_lag_seconds",
            "how long the oldest change waits to be synced; 0: none waits; absent: not known",
            labels=["task"],
        )
        good = GaugeMetricFamily(
            "dregsy_last_good_run_timestamp_seconds", "end of the last run without failures", labels=["task"]
        )
        duration = GaugeMetricFamily("dregsy_run_duration_seconds", "of the last run that ended", labels=["task"])
        failed = GaugeMetricFamily("dregsy_run_failed_images", "failures of the newest run", labels=["task"])
        interval = GaugeMetricFamily("dregsy_task_interval_seconds", "between two runs; 0: a one-off", labels=["task"])
        following = GaugeMetricFamily("dregsy_next_run_timestamp_seconds", "when the task is due", labels=["task"])
        for name, scheduled in self._overview.scheduled().items():
            interval.add_metric([name], scheduled.interval)
            if scheduled.next_run:
                following.add_metric([name], scheduled.next_run)
        yield from (interval, following)
        # A task that is gone is not stale, and does not fail.
        for task in (task for task in tasks if not task.left):
            waiting.add_metric([task.name], task.waiting)
            if task.lag_known:
                lag.add_metric([task.name], task.lag)
            if task.last_good:
                good.add_metric([task.name], task.last_good)
            if task.newest:
                failed.add_metric([task.name], task.newest.failed)
                if task.newest.done:
                    duration.add_metric([task.name], task.newest.ended - task.newest.started)
        yield from (waiting, lag, good, duration, failed)

    def _roles(self) -> Iterator[Metric]:
        schedulers = self._overview.schedulers()
        living = [role for role in (*schedulers, *self._overview.worker_roles()) if role.lives]
        leads = any(role.leads for role in schedulers if role.lives)
        yield GaugeMetricFamily("dregsy_scheduler_up", "1: a scheduler lives and leads", value=int(leads))
        yield GaugeMetricFamily("dregsy_schedulers", "that live", value=sum(role.lives for role in schedulers))
        lost = len(self._overview.lost_workers()) + sum(not role.lives for role in schedulers)
        yield GaugeMetricFamily("dregsy_lost_roles", "schedulers and workers that ended without a word", value=lost)
        broken = sum(bool(role.error) for role in living)
        yield GaugeMetricFamily("dregsy_config_broken", "roles whose newest config file cannot be used", value=broken)
        configs = len({role.config for role in living if role.config})
        yield GaugeMetricFamily(
            "dregsy_configs", "different configs in use; more than 1: some are behind", value=configs
        )

    def _registries(self, tasks: Sequence[TaskOverview]) -> Iterator[Metric]:
        using = GaugeMetricFamily("dregsy_registry_transfers", "transfers that use it now", labels=["registry"])
        limit = GaugeMetricFamily("dregsy_registry_limit", "configured limits", labels=["registry", "limit"])
        window = GaugeMetricFamily(
            "dregsy_registry_window_transfers", "transfers in the current window", labels=["registry"]
        )
        paused = GaugeMetricFamily("dregsy_registry_paused_seconds", "what is left of a pause", labels=["registry"])
        quota = GaugeMetricFamily("dregsy_registry_quota_left", "pulls left by its own word", labels=["registry"])
        level = GaugeMetricFamily(
            "dregsy_registry_level",
            "requests of all workers under way at once; absent: as many as they like",
            labels=["registry"],
        )
        for registry in self._overview.registries(tasks):
            if registry.level is not None:
                level.add_metric([registry.name], registry.level)
            using.add_metric([registry.name], registry.using)
            paused.add_metric([registry.name], registry.paused)
            if registry.max_concurrent is not None:
                limit.add_metric([registry.name, "max-concurrent"], registry.max_concurrent)
            if registry.transfers is not None:
                limit.add_metric([registry.name, "transfers"], registry.transfers)
                window.add_metric([registry.name], registry.started)
            if registry.quota_left is not None:
                quota.add_metric([registry.name], registry.quota_left)
        yield from (using, limit, level, window, paused, quota)
