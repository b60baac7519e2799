"""The whole compose stack, on a real daemon: scaled, synced through, with a worker killed in the middle."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests

from tests.containers.conftest import copy_repository
from tests.lab.daemon import Daemon
from tests.lab.images import push_many
from tests.lab.processes import free_port, wait_until
from tests.lab.registry import ACCEPT, Registry


class Compose:
    def __init__(self, daemon: Daemon, project: Path) -> None:
        self._daemon, self._project = daemon, project
        self.ports = {name: free_port() for name in ("FLOWER_PORT", "METRICS_PORT", "SOURCE_PORT", "TARGET_PORT")}

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        project, environment = str(self._project), ["-e", "FLOWER_UNAUTHENTICATED_API=true"]
        for name, port in self.ports.items():
            environment += ["-e", f"{name}={port}"]
        return self._daemon.run(
            *("run", "--rm", "--network", "none", "-v", f"{self._daemon.socket}:/var/run/docker.sock"),
            *("-v", f"{project}:{project}", "-w", project, *environment, "compose:lab", "--profile", "try", *arguments),
            check=check,
        )


@pytest.fixture(scope="module")
def compose(daemon: Daemon, image: str, helpers: list[str]) -> Iterator[Compose]:
    project = daemon.folder / "project"
    copy_repository(project)
    compose = Compose(daemon, project)
    yield compose
    compose("down", "--volumes", "--timeout", "5", check=False)


def registry_at(port: int) -> Registry:
    """The lab's way to talk to a registry, for one that runs in a container."""
    session = requests.Session()
    session.trust_env = False
    return cast(Registry, SimpleNamespace(url=f"http://127.0.0.1:{port}", session=session))


def digest(registry: Registry, repository: str, tag: str) -> str | None:
    answer = registry.session.head(f"{registry.url}/v2/{repository}/manifests/{tag}", headers={"Accept": ACCEPT})
    return answer.headers.get("Docker-Content-Digest")


@pytest.mark.timeout(600)
def test_the_stack(compose: Compose, daemon: Daemon) -> None:
    compose("up", "-d", "source", "target", "redis")
    source, target = registry_at(compose.ports["SOURCE_PORT"]), registry_at(compose.ports["TARGET_PORT"])
    wait_until(lambda: _answers(source) and _answers(target), timeout=60, what="registries")
    digests = push_many(source, "demo/app", [f"{n}" for n in range(100)], size=200_000)
    compose("up", "-d", "--scale", "worker=3")

    def arrived() -> int:
        listed = target.session.get(f"{target.url}/v2/mirror/app/tags/list")
        return len(listed.json()["tags"]) if listed.status_code == 200 else 0

    wait_until(lambda: arrived() >= 10, timeout=90, what="the first images")
    victim = daemon.run("ps", "-q", "--filter", "name=worker").stdout.split()[0]
    daemon.run("kill", victim)
    wait_until(lambda: arrived() == 100, timeout=120, what="all images")
    assert {tag: digest(target, "mirror/app", tag) for tag in digests} == digests

    metrics = f"http://127.0.0.1:{compose.ports['METRICS_PORT']}/metrics"

    def copied() -> bool:
        text = requests.get(metrics, timeout=5).text
        return 'dregsy_jobs_total{reason="missing",status="copied",task="try"} 100.0' in text

    wait_until(copied, timeout=60, what="100 in the metrics")
    tasks: dict[str, Any] = requests.get(
        f"http://127.0.0.1:{compose.ports['FLOWER_PORT']}/api/tasks?limit=5", timeout=5
    ).json()
    assert any("source:5000/demo/app" in str(found["args"]) and "→" in str(found["args"]) for found in tasks.values())

    def healthy() -> bool:
        states = daemon.run("ps", "--format", "{{.Names}} {{.Status}}").stdout
        roles = [line for line in states.splitlines() if "worker" in line or "scheduler" in line]
        return len(roles) >= 3 and all("(healthy)" in line for line in roles)

    wait_until(healthy, timeout=90, what="healthy containers")
    for container in daemon.run("ps", "-q").stdout.split():
        details = json.loads(daemon.run("inspect", container).stdout)[0]
        assert "eyJ1c2VybmFtZSI6" not in json.dumps(details), "no auth of a config shows"
    started = time.monotonic()
    compose("stop", "worker", "--timeout", "60")
    assert time.monotonic() - started < 45, "an idle worker ends at once on SIGTERM"


def _answers(registry: Registry) -> bool:
    try:
        return registry.session.get(f"{registry.url}/v2/", timeout=2).status_code == 200
    except requests.RequestException:
        return False
