"""Dispatch: admitted jobs become Celery messages."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections import defaultdict
from typing import Any

from dregsy_queue.kinds import PLANNING, queue_name
from dregsy_queue.ledger.admission import Admission, Admitted
from dregsy_queue.prefix import MESSAGES_PREFIX

#: Version of the message arguments: [version, job id, epoch].
MESSAGE_VERSION = 1
#: Celery's field for the sender. Any worker may send the message of any job, so its name would tell nothing.
_ORIGIN = "dregsy"


def dispatch(admission: Admission) -> int:
    """Send what may run now; returns how many messages. Safe to call from anywhere at any time.

    If the process ends between admission and sending, nothing is lost: a job that no worker claims within 30 s is
    admitted again.

    Raises: redis.RedisError or OSError; what was not sent then is admitted again, too.
    """
    admitted = admission.admit()
    messages: defaultdict[str, list[str]] = defaultdict(list)
    for job in admitted:
        queue = queue_name(job.kind)
        messages[queue].append(json.dumps(message(job, queue)))
    for queue, texts in messages.items():
        # kombu reads these lists. Where an answer is lost and the push repeated, one of both messages claims nothing.
        admission.connection.lpush(MESSAGES_PREFIX + queue, *texts)
    return len(admitted)


def message(job: Admitted, queue: str) -> dict[str, Any]:
    """A message of Celery's task protocol 2, as kombu keeps it in Redis.

    Made here because Celery takes ten times as long: it prepares each message for what no message of ours has, such as
    a time, a group or a result.
    Source: docs.celeryq.dev, "Message Protocol".
    """
    name = f"{job.job}.{job.epoch}"
    body = [[MESSAGE_VERSION, job.job, job.epoch], {}, dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))]
    return {
        "body": b64encode(json.dumps(body).encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {
            "lang": "py",
            "task": "dregsy.plan" if job.kind in PLANNING else "dregsy.transfer",
            "id": name,
            "root_id": name,
            # what Flower shows
            "argsrepr": str(job.transfer or job.job),
            "kwargsrepr": "{}",
            "origin": _ORIGIN,
            "ignore_result": True,
            "retries": 0,
            "timelimit": [None, None],
            **dict.fromkeys(("parent_id", "group", "eta", "expires", "shadow")),
        },
        "properties": {
            "correlation_id": name,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": secrets.token_hex(16),
        },
    }
