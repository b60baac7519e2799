"""Dispatch: admitted jobs become Celery messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kombu.exceptions import BatchPublishError, OperationalError  # type: ignore[attr-defined]

from dregsy_queue.kinds import queue_name
from dregsy_queue.ledger.admission import Admission, Admitted

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Producer

#: Version of the message arguments: [version, job id, epoch].
MESSAGE_VERSION = 1


def dispatch(app: Celery, admission: Admission) -> int:
    """Send what may run now; returns how many messages. Safe to call from anywhere at any time.

    If the process ends between admission and sending, nothing is lost: a job that no worker claims within 30 s is
    admitted again.

    Raises: redis.RedisError or OSError; the same holds for what was not sent then.
    """
    admitted = admission.admit()
    if not admitted:
        return 0
    try:
        with app.producer_pool.acquire(block=True) as producer:
            try:
                with producer.batch():  # type: ignore[attr-defined]
                    _send(app, producer, admitted)
            except BatchPublishError:
                # The connection was lost; one by one each message makes a new one. A doubled message is claimed once.
                _send(app, producer, admitted)
    except (OperationalError, AttributeError) as error:
        # kombu's own (5.7) for a broken connection, and for one that another thread closes at that moment
        raise ConnectionError(str(error)) from error
    return len(admitted)


def _send(app: Celery, producer: Producer, admitted: Sequence[Admitted]) -> None:
    for job in admitted:
        app.send_task(
            "dregsy.plan" if job.kind == "plan" else "dregsy.transfer",
            args=[MESSAGE_VERSION, job.job, job.epoch],
            task_id=f"{job.job}.{job.epoch}",
            queue=queue_name(job.kind),
            # what Flower shows
            argsrepr=str(job.transfer or job.job),
            producer=producer,
        )
