"""The Celery application: every setting stands with its reason."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.signals import beat_init, setup_logging
from kombu import Queue

from dregsy_queue import logs, settings
from dregsy_queue.kinds import KINDS, queue_name
from dregsy_queue.ledger.redis_url import celery_settings


def _make() -> Celery:
    try:
        address = celery_settings(settings.from_environment().redis_url)
    except settings.SettingsError as error:
        # Celery imports this module before anything of ours could tell it better.
        sys.exit(str(error))
    transport = {"visibility_timeout": 3600, "health_check_interval": 30, **address.pop("broker_transport_options", {})}
    app = Celery("dregsy_queue", broker=address["broker_url"])
    app.conf.update(
        # The data plane is named, not imported: the control plane does not depend on it.
        imports=("workers.celery_side.handlers",),
        task_queues=[Queue(queue_name(kind), routing_key=queue_name(kind)) for kind in KINDS],
        task_default_queue=queue_name("plan"),
        # Outcomes are in the ledger; a result per message would only cost Redis calls.
        task_ignore_result=True,
        # Transfers wait for processes and sockets: threads share one event loop, one session, one token cache.
        worker_pool="threads",
        worker_concurrency=16,
        # With late acks a running job occupies its prefetch place, so a busy worker reserves nothing more.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        # Who holds a job is decided by leases in the ledger, on Redis' clock; a message redelivered after this
        # time finds nothing to claim. So it only bounds how long messages of killed workers stay around.
        broker_transport_options=transport,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # It survives every loss of Redis; Celery's own ends when jobs ran at that moment.
        worker_consumer="workers.celery_side.consumer:Consumer",
        # Reconnecting must not cancel what is running: the ledger still holds it for this worker.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # Flower and `celery events` show transfers without a flag at each worker.
        worker_send_task_events=True,
        task_send_sent_event=True,
        # Logging is ours alone (logs.py), in one format for all roles.
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        # Messages are names and numbers.
        task_serializer="json",
        accept_content=["json"],
        enable_utc=True,
        timezone="UTC",
        beat_scheduler="dregsy_queue.scheduling.beat:Scheduler",
        # How soon a standby notices that the leader is gone: at most lock timeout and one loop.
        beat_max_loop_interval=2,
        redbeat_lock_timeout=10,
        redbeat_key_prefix="dregsy:beat:",
    )
    app.conf.update(address)
    return app


# What Flower's page of tasks shows when it is told nothing: first of all, from where to where. Celery has no setting
# for it; Flower's own option and flowerconfig.py take precedence.
os.environ.setdefault("FLOWER_TASKS_COLUMNS", "args,state,received,runtime,worker,uuid")

# Celery warns of workers that run as root, as messages could hold code: ours hold JSON.
warnings.filterwarnings("ignore", category=SecurityWarning)
# And that it may cancel running tasks when the broker is lost, at each such moment: see above.
warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)

app = _make()


@setup_logging.connect
def _configure_logging(**_: Any) -> None:  # noqa: ANN401 - Celery's signal arguments
    logs.configure()


@beat_init.connect
def _start_notifications(**_: Any) -> None:  # noqa: ANN401 - Celery's signal arguments
    # Late: only a scheduler tells anybody.
    from dregsy_queue.notify.notifier import start_if_wanted

    start_if_wanted()
