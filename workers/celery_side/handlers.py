"""The Celery side of a worker: its message handlers, and its start and end."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.signals import celeryd_after_setup, worker_ready, worker_shutdown, worker_shutting_down

from dregsy_queue import settings
from dregsy_queue.celery import app
from dregsy_queue.config.load import ConfigError
from dregsy_queue.dispatch import MESSAGE_VERSION, dispatch
from dregsy_queue.kinds import queue_name
from dregsy_queue.loading import look_seldom
from workers.jobs.run import run
from workers.worker import Worker

log = logging.getLogger(__name__)

_worker: Worker | None = None
_STRATEGY = "workers.celery_side.strategy:tolerant"


@app.task(name="dregsy.plan", Strategy=_STRATEGY)
def plan(*message: object, **_: object) -> None:
    _run(message)


@app.task(name="dregsy.transfer", Strategy=_STRATEGY)
def transfer(*message: object, **_: object) -> None:
    _run(message)


def _run(message: tuple[object, ...]) -> None:
    """`message` is [version, job id, epoch]; anything else is ignored."""
    assert _worker is not None
    match message:
        case (int(version), str(job), int(epoch)) if version == MESSAGE_VERSION:
            try:
                run(_worker, job, epoch)
            finally:
                _worker.services.dispatch()
        case (int(version), *_):
            # Nobody claims its job, so it is admitted again, perhaps to a worker that knows this version.
            log.warning("message of version %d is left to other workers, this one knows %d", version, MESSAGE_VERSION)
        case _:
            log.warning("message is not understood and dropped")


@celeryd_after_setup.connect
def _set_up(sender: str, instance: Any, **_: Any) -> None:  # noqa: ANN401 - Celery's signal arguments
    # Celery warns at each loss of Redis that a later version may cancel running tasks; dregsy_queue/celery.py turns
    # that off. Celery sets filters of its own at its start, so this one is set after that.
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    # Celery's banner would stand among log lines, and shows a password in the Redis URL although none is set.
    instance.quiet = True
    global _worker  # noqa: PLW0603 - one worker per process, as Celery has it
    try:
        chosen = settings.from_environment()
    except settings.SettingsError as error:
        sys.exit(str(error))
    try:
        _worker = Worker(chosen, sender, slots=instance.concurrency or 1, send=dispatch)
    except (settings.SettingsError, ConfigError) as error:
        sys.exit(f"{error}{settings.where_to_say(chosen.config)}")
    instance.app.amqp.queues.select([queue_name(kind) for kind in _worker.coordinator.kinds])
    _worker.coordinator.take_messages_of = partial(_take_messages_of, instance)


def _take_messages_of(controller: Any, kinds: Sequence[str]) -> None:  # noqa: ANN401 - Celery's worker
    """From now on take the messages of these kinds alone; from any thread."""

    def change() -> None:
        consumer, queues = controller.consumer, controller.app.amqp.queues
        wanted = [queue_name(kind) for kind in kinds]
        try:
            for name in wanted:
                consumer.add_task_queue(name)
            for name in set(queues.consume_from) - set(wanted):
                consumer.cancel_task_queue(name)
        except AttributeError:
            # There is no connection now; the next one begins with these queues.
            queues.select(wanted)

    controller.consumer.call_soon(change)


@worker_ready.connect
def _start(**_: Any) -> None:  # noqa: ANN401
    look_seldom()
    if _worker:
        _worker.start()


@worker_shutting_down.connect
def _drain(**_: Any) -> None:  # noqa: ANN401
    if _worker:
        _worker.drain()


@worker_shutdown.connect
def _end(**_: Any) -> None:  # noqa: ANN401
    if _worker:
        _worker.stop()
