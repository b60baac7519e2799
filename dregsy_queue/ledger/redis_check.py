"""Is this a Redis that can hold the ledger? Asked when a role starts, and by ``dregsy status``."""

from __future__ import annotations

import re
from collections.abc import Collection

from redis.exceptions import ResponseError

from dregsy_queue.ledger.connection import Connection
from dregsy_queue.ledger.outages import CLUSTER_MODE
from dregsy_queue.ledger.roles import Roles
from dregsy_queue.prefix import CLUSTER, PREFIX

#: The scripts use commands that came with it (Valkey and KeyDB count on from there).
LEAST_VERSION = (6, 2)


def examine(connection: Connection, tasks: Collection[str] = (), cluster: str = CLUSTER) -> list[str]:
    """What is wrong with this Redis, so that jobs can get lost or nothing works at all: one line each.

    `tasks` are the names in the caller's config, `cluster` is the caller's.

    Raises: redis.RedisError or OSError when it does not answer.
    """
    found: list[str] = []
    server, memory = _info(connection, "server"), _info(connection, "memory")
    version = server.get("redis_version", "")
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers and numbers < LEAST_VERSION:
        found.append(f"Redis is version {version}; dregsy_queue needs 6.2 or newer")
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(
            f"Redis' maxmemory-policy is {policy}: it throws jobs away when its memory is full; "
            "set it to noeviction, and use no Redis that is a cache as well"
        )
    if server.get("redis_mode") == "cluster":
        return [*found, CLUSTER_MODE]
    if others := _others(connection, tasks, cluster):
        found.append(
            f"another cluster uses this Redis database under the prefix {PREFIX} ({others}); "
            "give one of them another database, or another DREGSY_PREFIX"
        )
    return found


def refusal(connection: Connection) -> str:
    """Why this Redis takes no writes at the moment, as far as it tells; "" when it takes them.

    Raises: redis.RedisError or OSError when it does not answer.
    """
    memory = _info(connection, "memory")
    used, most = (int(memory.get(name, 0)) for name in ("used_memory", "maxmemory"))
    if most and used >= most and memory.get("maxmemory_policy", "noeviction") == "noeviction":
        return f"Redis is full, {used / 1e6:.0f} MB of maxmemory {most / 1e6:.0f} MB, and refuses writes: give it more"
    if _info(connection, "replication").get("role") == "slave":
        return "this Redis is a replica and takes no writes: name its master, or its Sentinels"
    persistence = _info(connection, "persistence")
    if "err" in (persistence.get("aof_last_write_status"), persistence.get("rdb_last_bgsave_status")):
        return "Redis cannot write to its disk, and may refuse writes: look at its log, and at the room on its disk"
    return ""


def _others(connection: Connection, tasks: Collection[str], cluster: str) -> str:
    """What shows that another cluster is here: another name, or tasks none of which is ours."""
    roles = Roles(connection, cluster)
    if names := roles.others():
        return f"its name: {', '.join(names)}; this one's: {cluster}"
    scheduled = set(roles.scheduled())
    if scheduled and tasks and not scheduled & set(tasks):
        return f"its tasks: {', '.join(sorted(scheduled)[:3])}"
    return ""


def _info(connection: Connection, section: str) -> dict[str, str]:
    """Empty where a user has no right to ask."""
    try:
        return {name: str(value) for name, value in connection.info(section).items()}
    except ResponseError:
        return {}
