"""Which kinds of jobs and relays are there, and which queue has each?

A new relay is a folder in ``workers/relays/`` and its name here.
"""

from __future__ import annotations

from typing import Literal, get_args

from dregsy_queue.prefix import PREFIX

#: As a config names them.
RelayName = Literal["skopeo", "docker", "direct"]

RELAYS: tuple[RelayName, ...] = get_args(RelayName)

#: Kinds of jobs that plan: a run, or a part of a large one (a shard).
PLANNING: tuple[str, ...] = ("plan", "shard")

#: All kinds of jobs; the others copy one image, by each relay.
KINDS: tuple[str, ...] = (*PLANNING, *RELAYS)


def queue_name(kind: str) -> str:
    """The queue of this kind: each has its own, so that a job reaches only workers that can do it."""
    return f"{PREFIX.rstrip(':')}.{kind}"
