"""Checks across keys: what is wrong with a file although each of its values is fine.

They work on the raw tree, so that one run finds them beside errors in single values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dregsy_queue.config.durations import parse_go_duration
from dregsy_queue.config.tree import Path
from dregsy_queue.registry.hosts import is_ecr

Finding = tuple[Path, str]

_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def problems(value: dict[str, Any]) -> Iterator[Finding]:
    """Every problem, by the path of the key that holds it."""
    relay = value.get("relay") or "docker"
    if relay == "skopeo" and value.get("dockerhost"):
        yield (
            ("dockerhost",),
            "setting 'dockerhost' implies 'docker' relay; remove it, or set 'relay: docker'",
        )
    names: dict[str, int] = {}
    for place, task in enumerate(_items(value, "tasks")):
        path: Path = ("tasks", place)
        if not isinstance(task, dict):
            yield path, "a task must be a mapping with name, source, target and mappings"
            continue
        name = task.get("name") or ""
        if not name:
            yield path, "a task requires a name"
        elif name in names:
            yield (*path, "name"), f"task '{name}' has the name of the task before it; names must differ"
        names.setdefault(str(name), place)
        for side in ("source", "target"):
            yield from _location((*path, side), task.get(side), f"{side} registry in task '{name}' invalid")
        yield from _mappings(path, task, str(task.get("relay") or relay))


def warnings(value: dict[str, Any]) -> Iterator[str]:
    """What works but should be changed."""
    relay = value.get("relay") or "docker"
    for key in ("dockerhost", "api-version"):
        if value.get(key) and relay == "docker":
            if value.get("docker") is None:
                yield f"'{key}' at the top level is deprecated; move it into a 'docker' section"
            else:
                yield f"'{key}' at the top level is ignored, as there is a 'docker' section"
    lister = value.get("lister")
    if isinstance(lister, dict):
        if str(lister.get("maxItems") or "").startswith("-"):
            yield "'lister.maxItems' is negative: repositories are listed without limit"
        if str(lister.get("cacheDuration") or "").startswith("-"):
            yield "'lister.cacheDuration' is negative: lists of repositories are not cached"
    for task in _items(value, "tasks"):
        for side in ("source", "target"):
            location = task.get(side) if isinstance(task, dict) else None
            if isinstance(location, dict) and location.get("auth-refresh") is not None:
                try:
                    short = parse_go_duration(str(location["auth-refresh"])) < 3600
                except ValueError:
                    continue
                if short:
                    yield f"task '{task.get('name')}': 'auth-refresh' of the {side} is under 1h and is raised to 1h"


def _location(path: Path, location: Any, prefix: str) -> Iterator[Finding]:  # noqa: ANN401 - raw YAML
    if location is None:
        yield path, f"{prefix}: location is nil; give it a 'registry'"
        return
    if not isinstance(location, dict):
        yield path, f"{prefix}: it must be a mapping with a 'registry'"
        return
    registry = location.get("registry") or ""
    if not registry:
        yield path, f"{prefix}: registry not set"
        return
    if not isinstance(registry, str):
        return
    # "account@public.ecr.aws" names the account of a public ECR alias.
    host = registry.rpartition("@")[2]
    if not _HOST.fullmatch(host):
        yield (
            (*path, "registry"),
            f"{prefix}: '{registry}' must be host or host:port, without scheme and path",
        )
    elif location.get("auth-refresh") is not None and not is_ecr(host):
        yield (
            (*path, "auth-refresh"),
            f"{prefix}: '{registry}' wants authentication refresh, but is not an ECR registry",
        )
    lister = location.get("lister")
    if isinstance(lister, dict) and lister.get("type") == "index" and not lister.get("search"):
        yield (*path, "lister"), f"{prefix}: lister type 'index' requires a 'search' term"


def _mappings(path: Path, task: dict[str, Any], relay: str) -> Iterator[Finding]:
    regex = False
    for place, mapping in enumerate(_items(task, "mappings")):
        here: Path = (*path, "mappings", place)
        if not isinstance(mapping, dict):
            yield here, "a mapping must have at least 'from'"
            continue
        from_ = mapping.get("from") or ""
        if not from_:
            yield here, "mapping without 'From' path; name a repository, or 'regex:' and an expression"
        regex = regex or str(from_).startswith("regex:")
        if mapping.get("platform") == "all" and relay == "docker":
            yield (
                (*here, "platform"),
                "relay 'docker' does not support mappings with 'platform: all'; use 'relay: skopeo'",
            )
    source = task.get("source")
    if regex and isinstance(source, dict):
        lister = source.get("lister")
        kind = lister.get("type") if isinstance(lister, dict) else "catalog"
        if str(source.get("registry")).partition(":")[0] == "registry.hub.docker.com" and kind == "catalog":
            yield (
                (*path, "source", "lister"),
                "Docker Hub has no catalog; set 'lister.type' to 'dockerhub' or 'index'",
            )


def _items(value: dict[str, Any], key: str) -> list[Any]:
    items = value.get(key)
    return items if isinstance(items, list) else []
