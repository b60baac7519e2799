"""A config that is being put together from another tool's, and notes on what it cannot say."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from dregsy_queue.oci.reference import is_repository

Document = dict[str, Any]


@dataclass(frozen=True)
class DraftLocation:
    """A registry as source or target: `login` is the config's `auth` value."""

    host: str
    login: str = ""
    skip_verify: bool = False

    def document(self) -> Document:
        found: Document = {"registry": self.host}
        if self.login:
            found["auth"] = self.login
        if self.skip_verify:
            found["skip-tls-verify"] = True
        return found


@dataclass
class Draft:
    """Mappings gather in one task per source, target and interval, in the order they come."""

    notes: list[str] = field(default_factory=list)
    #: limits by registry
    registries: dict[str, Document] = field(default_factory=dict)
    every_repository: bool = False
    relay: str = "skopeo"
    _tasks: dict[tuple[DraftLocation, DraftLocation, int], list[Document]] = field(default_factory=dict)

    def note(self, where: str, text: str) -> None:
        line = f"{where}: {text}"
        if line not in self.notes:
            self.notes.append(line)

    def add(self, where: str, source: DraftLocation, target: DraftLocation, interval: int, mapping: Document) -> None:
        """One more mapping. One whose target is not a repository name is left out, with a note."""
        to = str(mapping.get("to", ""))
        if to and not is_repository(to):
            self.note(where, f"left out: '{to}' is not a repository name")
            return
        self._tasks.setdefault((source, target, interval), []).append(mapping)

    def registry(self, host: str, key: str, value: object) -> None:
        self.registries.setdefault(host, {})[key] = value

    def document(self) -> Document:
        found: Document = {"relay": self.relay}
        if self.every_repository:
            found["lister"] = {"maxItems": -1}
        if self.registries:
            found["registries"] = self.registries
        names: set[str] = set()
        tasks = []
        for (source, target, interval), mappings in self._tasks.items():
            task: Document = {"name": _name(f"{source.host}-to-{target.host}", names)}
            if interval:
                task["interval"] = interval
            tasks.append({**task, "source": source.document(), "target": target.document(), "mappings": mappings})
        return {**found, "tasks": tasks}

    def text(self) -> str:
        return yaml.safe_dump(self.document(), sort_keys=False, allow_unicode=True, width=120)


def login(username: str, password: str) -> str:
    """The config's `auth` value."""
    return base64.b64encode(json.dumps({"username": username, "password": password}).encode()).decode()


def _name(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    taken.add(name)
    return name
