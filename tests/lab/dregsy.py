"""Running the product as a user does: configs, one-command calls, and the distributed roles."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.lab.processes import ManagedProcess
from tests.lab.registry import Registry

BIN = Path(sys.executable).parent


def auth(username: str, password: str) -> str:
    """The config's `auth` value."""
    return base64.b64encode(json.dumps({"username": username, "password": password}).encode()).decode()


def location(registry: Registry | str, **more: Any) -> dict[str, Any]:
    """A source or target on plain HTTP; `more` are keys in Python's spelling."""
    host = registry if isinstance(registry, str) else registry.host
    options = {key.replace("_", "-"): value for key, value in more.items()}
    return {"registry": host, "skip-tls-verify": True, **options}


def task(
    name: str, source: dict[str, Any], target: dict[str, Any], *mappings: dict[str, Any], **more: Any
) -> dict[str, Any]:
    return {"name": name, "source": source, "target": target, "mappings": list(mappings), **more}


def write_config(folder: Path, *tasks: dict[str, Any], **top: Any) -> Path:
    path = folder / "dregsy.yaml"
    path.write_text(yaml.safe_dump({"relay": "skopeo", **top, "tasks": list(tasks)}, sort_keys=False))
    return path


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str
    #: the JSON report, where one was written
    report: dict[str, Any] = field(default_factory=dict)

    def jobs(self, name: str) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = self.report["tasks"][name]["jobs"]
        return jobs

    def counts(self, name: str) -> tuple[int, int, int]:
        """Copied, up to date, failed."""
        found = self.report["tasks"][name]
        return found["copied"], found["up_to_date"], found["failed"]


def sync(config: Path, *options: str, env: Mapping[str, str] | None = None, timeout: float = 180) -> Outcome:
    """``dregsy sync --once`` with a report."""
    report = config.parent / "report.json"
    report.unlink(missing_ok=True)
    command = [str(BIN / "dregsy"), "sync", "-c", str(config), "--once", "--report", str(report), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})})
    found = json.loads(report.read_text()) if report.exists() else {}
    return Outcome(done.returncode, done.stdout, done.stderr, found)


def dregsy(*arguments: str, timeout: float = 180) -> Outcome:
    done = subprocess.run([str(BIN / "dregsy"), *arguments], capture_output=True, text=True, timeout=timeout)
    return Outcome(done.returncode, done.stdout, done.stderr)


class Role:
    """A distributed role, started by the plain command."""

    def __init__(
        self,
        role: str,
        folder: Path,
        config: Path,
        redis_url: str,
        *options: str,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.log = folder / f"{role}-{len(list(folder.glob(role + '-*')))}.log"
        environment = {
            **os.environ,
            "DREGSY_CONFIG": str(config),
            "DREGSY_REDIS_URL": redis_url,
            "LOG_FORMAT": "json",
            **(env or {}),
        }
        command = [str(BIN / "celery"), "-A", "dregsy_queue", role, *options]
        self.process = ManagedProcess(command, self.log, env=environment, cwd=folder)

    def lines(self) -> list[dict[str, str]]:
        """The JSON lines of its log."""
        text = self.log.read_text(errors="replace")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def worker(folder: Path, config: Path, redis_url: str, name: str, *options: str, **env: str) -> Role:
    return Role("worker", folder, config, redis_url, "-n", f"{name}@lab", *options, env=env)


def beat(folder: Path, config: Path, redis_url: str, **env: str) -> Role:
    return Role("beat", folder, config, redis_url, env=env)


def mapping(from_: str, to: str = "", tags: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"from": from_, **more}
    if to:
        found["to"] = to
    if tags:
        found["tags"] = list(tags)
    return found
