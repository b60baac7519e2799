"""Checks across keys: what is wrong with a file although each of its values is fine.

They work on the raw tree, so that one run finds them beside errors in single values.
"""

from __future__ import annotations

import difflib
import pathlib
import re
from collections.abc import Iterator
from typing import Any

from dregsy_queue.config.durations import parse_go_duration
from dregsy_queue.config.registry_paths import problem, split
from dregsy_queue.config.yaml_lines import Path
from dregsy_queue.matching.paths import PathMapping
from dregsy_queue.oci.hosts import is_ecr, registry_key
from dregsy_queue.oci.reference import is_repository

Finding = tuple[Path, str]

_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
#: As a public ECR registry may be written: ``ACCOUNT@`` or ``ACCOUNT:REGION@`` before its host.
_PUBLIC_ECR = re.compile(r"(?:[0-9]+(?::[a-z0-9-]+)?@)?public\.ecr\.aws")


def problems(value: dict[str, Any]) -> Iterator[Finding]:
    """Every problem, by the path of the key that holds it."""
    relay = value.get("relay") or "docker"
    if relay == "skopeo" and value.get("dockerhost"):
        yield (
            ("dockerhost",),
            "setting 'dockerhost' implies 'docker' relay; remove it, or set 'relay: docker'",
        )
    yield from _registries(value)
    names: dict[str, int] = {}
    for index, task in enumerate(_items(value, "tasks")):
        path: Path = ("tasks", index)
        if not isinstance(task, dict):
            yield path, "a task must be a mapping with name, source, target and mappings"
            continue
        # The model reports a name that is a list or a mapping.
        name = task.get("name") if isinstance(task.get("name"), str) else ""
        if not task.get("name"):
            yield path, "a task requires a name"
        elif name in names:
            yield (*path, "name"), f"tasks[{names[name]}] is called '{name}' too; names must differ"
        elif name:
            names[name] = index
        for side in ("source", "target"):
            yield from _location((*path, side), task.get(side), f"{side} registry in task '{name}' invalid")
        yield from _mappings(path, task, str(task.get("relay") or relay))


def empty_tasks(value: dict[str, Any]) -> Iterator[Finding]:
    """Tasks that have nothing to do, by the path of the key that is missing: accepted, as dregsy accepts them."""
    for index, task in enumerate(_items(value, "tasks")):
        if isinstance(task, dict) and task.get("mappings") in (None, []):
            yield (
                ("tasks", index, "mappings"),
                "a task without mappings syncs nothing; give it for example '- from: library/busybox'",
            )


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
    yield from _missing_files(value)
    yield from _misspelt_registries(value)
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


_DIGITS = re.compile(r"\d")


def _misspelt_registries(value: dict[str, Any]) -> Iterator[str]:
    """Limits for a registry that no task names, and that is spelled almost as one that has none."""
    registries = value.get("registries")
    named = [str(key) for key in registries if "*" not in str(key)] if isinstance(registries, dict) else []
    limited = {str(registry_key(key)) for key in named}
    tasks = [task for task in _items(value, "tasks") if isinstance(task, dict)]
    locations = [task.get(side) for task in tasks for side in ("source", "target")]
    hosts = [str(location.get("registry") or "") for location in locations if isinstance(location, dict)]
    used = {str(registry_key(host)) for host in hosts if host}
    for key in named:
        near = difflib.get_close_matches(key, sorted(used - limited), n=1, cutoff=0.88)
        # Names that differ in their numbers are two registries.
        if registry_key(key) not in used and near and _DIGITS.sub("", near[0]) != _DIGITS.sub("", key):
            yield f"registries.{key}: no task names this registry; did you mean '{near[0]}'?"


def _missing_files(value: dict[str, Any]) -> Iterator[str]:
    """CA files are needed where roles run, and this may be another machine."""
    registries = value.get("registries")
    for key, limits in registries.items() if isinstance(registries, dict) else ():
        ca = limits.get("ca") if isinstance(limits, dict) else None
        if isinstance(ca, str) and not pathlib.Path(ca).is_file():
            yield f"registries.{key}.ca: there is no file '{ca}' on this machine; its requests fail where it is missing"


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
    registry, _ = split(registry)
    host = registry.rpartition("@")[2]
    if wrong := _wrong_registry(registry):
        yield (*path, "registry"), f"{prefix}: {wrong}"
    elif location.get("auth-refresh") is not None and not is_ecr(host):
        yield (
            (*path, "auth-refresh"),
            f"{prefix}: '{registry}' wants authentication refresh, but is not an ECR registry; remove 'auth-refresh'",
        )
    if not wrong and not is_ecr(host):
        for key in ("aws-profile", "aws-role-arn"):
            if location.get(key):
                yield (*path, key), f"{prefix}: '{registry}' is not an ECR registry; remove '{key}'"


def _wrong_registry(registry: str) -> str | None:
    """What is wrong with the text of a registry, and what to write; never quotes what may be a login."""
    if _PUBLIC_ECR.fullmatch(registry):
        return None
    host = re.split(r"[/?#]", registry.partition("://")[2] or registry)[0]
    if "@" in registry:
        return "it must be host or host:port, without '@'; a login goes into 'auth'"
    match = _HOST.fullmatch(registry)
    if match is None:
        do = f"write '{host}'" if _HOST.fullmatch(host) else "write for example 'registry.example.com:5000'"
        if "/" in registry.partition("://")[2].rstrip("/") or ("://" not in registry and "/" in registry.rstrip("/")):
            do += ", and the path in 'from' or 'to' of the mappings"
        return f"'{registry}' must be host or host:port, without scheme and path; {do}"
    if match[1] and not 0 < int(match[1]) < 65536:
        return f"'{registry}' has no valid port; ports are 1 to 65535"
    return None


def _registries(value: dict[str, Any]) -> Iterator[Finding]:
    """Keys of `registries` are hosts, or patterns with ``*`` for any text; each registry has one."""
    given = value.get("registries")
    seen: dict[str, str] = {}
    for key in given if isinstance(given, dict) else ():
        path: Path = ("registries", key)
        wrong = _wrong_registry(key.replace("*", "x"))
        if wrong:
            # A key with an @ may hold a password, which the path in an error would show.
            at, shown = (path[:1], "a key with '@'") if "@" in key else (path, f"'{key}'")
            yield at, f"{shown} must be host or host:port as tasks name it, or a pattern with '*'"
            continue
        first = seen.setdefault(registry_key(key), key)
        if first != key:
            yield path, f"'{first}' is the same registry; keep one"


def _mappings(path: Path, task: dict[str, Any], relay: str) -> Iterator[Finding]:
    regex = False
    for index, mapping in enumerate(_items(task, "mappings")):
        here: Path = (*path, "mappings", index)
        if not isinstance(mapping, dict):
            yield here, "a mapping must have at least 'from'"
            continue
        from_ = mapping.get("from") or ""
        if not from_:
            yield here, "mapping without 'From' path; name a repository, or 'regex:' and an expression"
        if wrong := problem(task, mapping):
            yield here, wrong
        regex = regex or str(from_).startswith("regex:")
        yield from _target(here, from_, mapping.get("to") or "")
        if str(mapping.get("referrers")).lower() in ("true", "yes", "on", "y") and relay != "direct":
            yield (
                (*here, "referrers"),
                f"relay '{relay}' does not copy what refers to an image; use 'relay: direct', or remove 'referrers'",
            )
        several = mapping.get("platform")
        if relay != "direct" and ((isinstance(several, list) and len(several) > 1) or "," in str(several)):
            yield (
                (*here, "platform"),
                f"relay '{relay}' does not copy several platforms of an image; use 'relay: direct', or 'platform: all'",
            )
        if mapping.get("platform") == "all" and relay == "docker":
            yield (
                (*here, "platform"),
                "relay 'docker' does not support mappings with 'platform: all'; use 'relay: skopeo'",
            )
    if regex and isinstance(task.get("source"), dict):
        yield from _listing((*path, "source"), task["source"])


def _target(path: Path, from_: Any, to: Any) -> Iterator[Finding]:  # noqa: ANN401 - raw YAML
    """A target repository that the file alone tells, and that no registry can have."""
    try:
        mapping = PathMapping.parse(str(from_), str(to))
    except ValueError:
        return  # the model reports it
    if mapping.source is not None:
        target = mapping.pairs()[0][1]
    elif mapping.target is not None:
        target = mapping.target
    else:
        return
    name = target.removeprefix("/")
    if not is_repository(name):
        key = "to" if to else "from"
        do = "" if to else "; give the mapping a 'to'"
        yield (
            (*path, key),
            f"it leads to '{name}', which is not a repository name: at most 255 lower-case letters and digits in parts "
            f"with '/', or a single '.', '_' or '-' in between{do}",
        )


def _listing(path: Path, source: dict[str, Any]) -> Iterator[Finding]:
    """Listers matter only where some `from` is a regex; elsewhere dregsy takes them as they are."""
    lister = source.get("lister")
    kind = lister.get("type") if isinstance(lister, dict) else "catalog"
    if str(source.get("registry")).partition(":")[0] == "registry.hub.docker.com" and kind == "catalog":
        yield (*path, "lister"), "Docker Hub has no catalog; set 'lister.type' to 'dockerhub' or 'index'"
    if isinstance(lister, dict) and kind == "index" and not lister.get("search"):
        yield (*path, "lister"), "lister type 'index' requires a 'search' term; give it 'search: TERM'"


def _items(value: dict[str, Any], key: str) -> list[Any]:
    items = value.get(key)
    return items if isinstance(items, list) else []
