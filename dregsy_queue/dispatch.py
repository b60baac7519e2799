"""Dispatch: admitted jobs become Celery messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dregsy_queue.kinds import queue_name
from dregsy_queue.ledger.admission import Admission

if TYPE_CHECKING:
    from celery import Celery

#: Version of the message arguments: [version, job id, epoch].
MESSAGE_VERSION = 1


def dispatch(app: Celery, admission: Admission) -> int:
    """Send what may run now; returns how many messages. Safe to call from anywhere at any time.

    If the process ends between admission and sending, nothing is lost: a job that no worker claims within 30 s is
    admitted again.
    """
    admitted = admission.admit()
    if not admitted:
        return 0
    with app.producer_pool.acquire(block=True) as producer:
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
    return len(admitted)
