"""Which cluster is this? Its keys and queues begin with a prefix, so that several can share one Redis database."""

from __future__ import annotations

import os
import re

#: The prefix of a cluster that says nothing else.
DEFAULT_PREFIX = "dregsy:"


def check_prefix(text: str) -> str:
    """`text` as a prefix of keys; it ends with ``:`` whether it was written so or not. Empty: the default.

    Raises:
        ValueError: it is longer than 64 characters or has others than letters, digits, ``.``, ``_``, ``-``, ``:``.
    """
    if not text:
        return DEFAULT_PREFIX
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", text):
        raise ValueError("must be 1 to 64 letters, digits, '.', '_', '-' or ':'")
    return text if text.endswith(":") else f"{text}:"


def _from_environment() -> str:
    try:
        return check_prefix(os.environ.get("DREGSY_PREFIX", ""))
    except ValueError:
        # `settings.from_environment` reports it and ends the process.
        return DEFAULT_PREFIX


PREFIX = _from_environment()
#: What Celery puts before its keys and channels: two clusters in one database have queues of their own.
MESSAGES_PREFIX = "" if PREFIX == DEFAULT_PREFIX else PREFIX
#: The operators' name for this cluster; "" for none.
CLUSTER = os.environ.get("DREGSY_CLUSTER", "")[:64]
