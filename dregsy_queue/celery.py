"""The Celery application: every setting stands with its reason.

Nothing is read from the environment before Celery asks for its configuration, so importing this is always safe.
"""

from __future__ import annotations

import os
import sys
import warnings
from functools import cached_property
from typing import Any

import click
from celery import Celery
from celery.exceptions import SecurityWarning
from celery.signals import beat_init, setup_logging
from kombu import Queue

from dregsy_queue import broker, logs, settings
from dregsy_queue.kinds import KINDS, queue_name
from dregsy_queue.ledger.redis_url import ANSWER, KEEPALIVE, celery_settings
from dregsy_queue.prefix import MESSAGES_PREFIX
from dregsy_queue.worker_options import wrong_option


class Application(Celery):
    """Celery's, with a scheduler of ours, and workers that tell of their jobs only while somebody listens."""

    events_cls = "workers.celery_side.events:Events"

    @cached_property
    def Beat(self) -> type:
        found: type = self.subclass_with_self("dregsy_queue.scheduling.command:Beat")  # type: ignore[arg-type]
        return found


class UnusableSettingsError(click.ClickException, settings.SettingsError):
    """Celery's commands show it as one line."""


def make_app(redis_url: str | None = None) -> Celery:
    """The application on this Redis; without a URL on that of ``DREGSY_REDIS_URL``, read when it is first needed."""
    app = Application("dregsy_queue", set_as_current=redis_url is None)
    app.add_defaults(lambda: _configuration(redis_url))
    return app


def _configuration(redis_url: str | None) -> dict[str, Any]:
    """Raises: UnusableSettingsError."""
    wrong = wrong_option(sys.argv)
    if wrong:
        raise UnusableSettingsError(wrong)
    try:
        url = redis_url or settings.from_environment().redis_url
    except settings.SettingsError as error:
        # Celery reads this before anything of ours could tell it better.
        raise UnusableSettingsError(str(error)) from None
    address = celery_settings(url)
    transport = {
        # A network that went silent is noticed: calls end after so many seconds, and the connection that waits for
        # messages is dropped when an answer is overdue by so many.
        "socket_timeout": ANSWER,
        "socket_connect_timeout": 5,
        **KEEPALIVE,
        "health_check_interval": 10,
        "global_keyprefix": MESSAGES_PREFIX,
        **address.pop("broker_transport_options", {}),
    }
    return {
        **address,
        # The data plane is named, not imported: the control plane does not depend on it.
        "imports": ("workers.celery_side.handlers",),
        "task_queues": [Queue(queue_name(kind), routing_key=queue_name(kind)) for kind in KINDS],
        "task_default_queue": queue_name("plan"),
        # Outcomes are in the ledger; a result per message would only cost Redis calls.
        "task_ignore_result": True,
        # Transfers wait for processes and sockets: threads share one event loop, one session, one token cache.
        "worker_pool": "workers.celery_side.pool:Pool",
        "worker_concurrency": 16,
        # With late acks a running job counts as prefetched, so a busy worker reserves no further messages.
        "task_acks_late": True,
        "worker_prefetch_multiplier": 1,
        "broker_transport_options": transport,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A Redis that is full, read-only or cannot persist refuses for a while: that must not end a worker.
        "broker_channel_error_retry": True,
        # Our consumer survives every loss of Redis; Celery's own ends the worker if jobs ran at that moment.
        "worker_consumer": "workers.celery_side.consumer:Consumer",
        # Reconnecting must not cancel what is running: the ledger still holds it for this worker.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Flower shows what events tell; they are sent while it listens. Nobody looks at one-command mode.
        "worker_send_task_events": os.environ.get("DREGSY_ALONE") != "1",
        "task_send_sent_event": False,
        # Logging is ours alone (logs.py), in one format for all roles.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Messages hold only names and numbers.
        "task_serializer": "json",
        "accept_content": ["json"],
        "enable_utc": True,
        "timezone": "UTC",
        "beat_scheduler": "dregsy_queue.scheduling.beat:Scheduler",
        # How soon a standby notices that the leader is gone: at most its lock's timeout and one loop.
        "beat_max_loop_interval": 2,
    }


# The columns of Flower's page of tasks by default: source and target come first. Celery has no setting
# for it; Flower's own option and flowerconfig.py take precedence.
os.environ.setdefault("FLOWER_TASKS_COLUMNS", "args,state,received,runtime,worker,uuid")

# Flower has no login, so it listens on this machine alone, unless `--address` or the variable says otherwise.
os.environ.setdefault("FLOWER_ADDRESS", "127.0.0.1")

# Celery warns of workers that run as root, as messages could hold code: ours hold JSON.
warnings.filterwarnings("ignore", category=SecurityWarning)

broker.register()
app = make_app()


@setup_logging.connect
def _configure_logging(**_: Any) -> None:  # noqa: ANN401 - Celery's signal arguments
    logs.configure()


@beat_init.connect
def _start_notifications(**_: Any) -> None:  # noqa: ANN401 - Celery's signal arguments
    # Imported late: only schedulers send notifications.
    from dregsy_queue.notify.notifier import start_if_wanted

    start_if_wanted()
