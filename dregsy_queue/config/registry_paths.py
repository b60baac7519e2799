"""A path behind a registry's host, as dregsy takes it: it stands before every path of that side.

Everything else here knows hosts alone, so it is moved into the mappings before a config is read.
"""

from __future__ import annotations

from typing import Any

from dregsy_queue.matching.paths import PathMapping
from dregsy_queue.oci.reference import is_repository


def split(registry: str) -> tuple[str, str]:
    """Host and path of ``host/path``; no path where what follows the host cannot be one."""
    host, _, path = registry.partition("/")
    return (host, path) if host and is_repository(path) else (registry, "")


def moved(task: dict[str, Any]) -> dict[str, Any]:
    """A raw task whose registries are hosts and whose mappings have the paths; the same one where nothing is to be
    moved, or where it cannot be (see `problem`)."""
    (source, before_source), (target, before_target) = (_side(task, side) for side in ("source", "target"))
    mappings = task.get("mappings")
    if not (before_source or before_target) or (mappings is not None and not isinstance(mappings, list)):
        return task
    return {
        **task,
        "source": {**task["source"], "registry": source} if before_source else task.get("source"),
        "target": {**task["target"], "registry": target} if before_target else task.get("target"),
        "mappings": [_mapping(mapping, before_source, before_target) for mapping in mappings or []],
    }


def problem(task: dict[str, Any], mapping: dict[str, Any]) -> str | None:
    """Why the paths of a task's registries cannot be moved into a mapping; None where they can."""
    is_listed, is_replaced = (str(mapping.get(key) or "").strip().startswith("regex:") for key in ("from", "to"))
    if is_listed and _side(task, "source")[1]:
        return "'regex:' is about all repositories of a registry; move the path behind the source's host into it"
    if is_listed and is_replaced and _side(task, "target")[1]:
        return "move the path behind the target's host into this 'to'"
    return None


def _side(task: dict[str, Any], side: str) -> tuple[str, str]:
    location = task.get(side)
    registry = location.get("registry") if isinstance(location, dict) else None
    return split(registry) if isinstance(registry, str) else ("", "")


def _mapping(mapping: Any, before_source: str, before_target: str) -> Any:  # noqa: ANN401 - raw YAML
    if not isinstance(mapping, dict) or not isinstance(mapping.get("from"), str):
        return mapping
    from_, to = mapping["from"], str(mapping.get("to") or "")
    try:
        paths = PathMapping.parse(from_, to)
    except ValueError:
        # Reading the mapping tells.
        return mapping
    if paths.needs_listing:
        # Behind an expression a plain `to` is a prefix already.
        return {**mapping, "to": f"{before_target}/{to.strip()}"} if before_target else mapping
    ((source, target),) = paths.pairs()
    return {**mapping, "from": before_source + source, "to": before_target + target}
