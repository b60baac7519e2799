"""The whole compose stack, on a real daemon: scaled, synced through, with a worker killed in the middle."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
import yaml

from tests.containers.conftest import MARKS, copy_repository
from tests.lab.browser import Browser, no_browser
from tests.lab.daemon import Daemon
from tests.lab.dregsy import auth, location, mapping, task
from tests.lab.images import push_many
from tests.lab.processes import free_port, wait_until
from tests.lab.registry import ACCEPT, Registry
from tests.lab.tab import Tab

pytestmark = MARKS

PASSWORD = "word-Ux52"
LOGIN = auth("alice", PASSWORD)
TOKEN = "a token of the page"
PORTS = ("FLOWER_PORT", "PAGE_PORT", "METRICS_PORT", "SOURCE_PORT", "TARGET_PORT")


class Compose:
    """`docker compose` with all profiles, as a user has it; `variables` are what a user may set."""

    def __init__(self, daemon: Daemon, project: Path) -> None:
        self.daemon, self.project = daemon, project
        self.variables = {name: str(free_port()) for name in PORTS} | {
            "FLOWER_UNAUTHENTICATED_API": "true",
            "DREGSY_WEB_TOKEN": TOKEN,
            "DREGSY_CONFIG_FILE": str(project / "dregsy.yaml"),
            "DOCKER_SOCKET": str(daemon.socket),
            "DOCKER_GROUP": str(daemon.socket.stat().st_gid),
        }

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        project, environment = str(self.project), []
        for name, value in self.variables.items():
            environment += ["-e", f"{name}={value}"]
        return self.daemon.run(
            *("run", "--rm", "--network", "none", "-v", f"{self.daemon.socket}:/var/run/docker.sock"),
            *("-v", f"{project}:{project}", "-w", project, *environment, "compose:lab"),
            *("--profile", "try", "--profile", "docker", *arguments),
            check=check,
        )

    def url(self, port: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.variables[port]}{path}"

    def registry(self, port: str) -> Registry:
        """The lab's way to talk to a registry, for one that runs in a container."""
        session = requests.Session()
        session.trust_env = False
        return cast(Registry, SimpleNamespace(url=self.url(port), session=session))

    def address(self, service: str) -> str:
        """Where containers as well as the daemon itself reach a registry of the stack."""
        container = self.daemon.run("ps", "-q", "--filter", f"name=-{service}-1$").stdout.strip()
        networks = json.loads(self.daemon.run("inspect", container).stdout)[0]["NetworkSettings"]["Networks"]
        (network,) = networks.values()
        return f"{network['IPAddress']}:5000"


@dataclass
class Stack:
    compose: Compose
    source: Registry
    target: Registry
    #: tag → digest of what `try` syncs
    images: dict[str, str]


@pytest.fixture(scope="module")
def stack(daemon: Daemon, image: str, helpers: list[str]) -> Iterator[Stack]:
    """Three workers and one of the Docker relay have synced everything, and one of the three was killed meanwhile."""
    project = daemon.folder / "project"
    copy_repository(project)
    compose = Compose(daemon, project)
    try:
        yield _synced(compose)
    finally:
        compose("down", "--volumes", "--timeout", "5", check=False)


def _synced(compose: Compose) -> Stack:
    daemon = compose.daemon
    compose("up", "-d", "source", "target")
    source, target = compose.registry("SOURCE_PORT"), compose.registry("TARGET_PORT")
    wait_until(lambda: _answers(source) and _answers(target), timeout=60, what="registries")
    images = push_many(source, "demo/app", [f"{n}" for n in range(100)], size=200_000)
    push_many(source, "demo/by-daemon", ["1", "2", "3"], size=2000)
    push_many(source, "demo/later", ["0"], size=2000)
    # The config that comes with it, and beside it a login, a task for the host's daemon, and one for later.
    config = yaml.safe_load((compose.project / "config" / "compose.yaml").read_text())
    config["tasks"][0]["source"]["auth"] = LOGIN
    inside = location(compose.address("source")), location(compose.address("target"))
    config["tasks"].append(task("by-daemon", *inside, mapping("demo/by-daemon", "mirror/by-daemon"), relay="docker"))
    config["tasks"].append(task("later", *inside, mapping("demo/later", "mirror/later")))
    (compose.project / "dregsy.yaml").write_text(yaml.safe_dump(config))
    compose("up", "-d", "--scale", "worker=3")
    wait_until(lambda: len(_tags(target, "mirror/app")) >= 10, timeout=180, what="the first images")
    victim = daemon.run("ps", "-q", "--filter", "name=-worker-[0-9]+$").stdout.split()[0]
    daemon.run("kill", victim)
    wait_until(lambda: len(_tags(target, "mirror/app")) == 100, timeout=240, what="all images")
    return Stack(compose, source, target, images)


def test_every_image_arrives_although_a_worker_is_killed(stack: Stack) -> None:
    assert {tag: _digest(stack.target, "mirror/app", tag) for tag in stack.images} == stack.images


def test_metrics_count_every_image_once(stack: Stack) -> None:
    def copied() -> bool:
        text = requests.get(stack.compose.url("METRICS_PORT", "/metrics"), timeout=15).text
        return 'dregsy_jobs_total{reason="missing",status="copied",task="try"} 100.0' in text

    wait_until(copied, timeout=90, what="100 in the metrics")


def test_the_docker_profile_serves_docker_jobs(stack: Stack) -> None:
    wait_until(lambda: len(_tags(stack.target, "mirror/by-daemon")) == 3, timeout=90, what="the daemon's images")
    logs = stack.compose("logs", "--no-color", "--no-log-prefix", "worker").stdout
    mirrored = f"{stack.compose.address('target')}/mirror/by-daemon"
    assert '"copied in' in logs and mirrored not in logs, "done by the worker that has the socket, and no other"
    held = stack.compose.daemon.run("images", "--format", "{{.Tag}}", mirrored).stdout.split()
    assert sorted(held) == ["1", "2", "3"]


def test_flowers_page_shows_transfers_without_a_login(stack: Stack, tmp_path: Path) -> None:
    why = no_browser()
    if why:
        pytest.skip(f"no browser here: {why}")
    page = Browser(tmp_path).dom(stack.compose.url("FLOWER_PORT", "/tasks"))
    shown = [f"source:5000/demo/app:{tag} → target:5000/mirror/app:{tag}" for tag in stack.images]
    assert sum(f"{text}</td>" in page for text in shown) >= 5, page[-3000:]
    assert LOGIN not in page


def test_flowers_api_shows_every_transfer_since_it_listens(stack: Stack) -> None:
    """Of those before: a worker that is killed takes what it had not told Flower yet with it."""
    later = [str(number) for number in range(1, 11)]
    push_many(stack.source, "demo/later", later, size=2000)
    assert _order(stack, "later", "run").ok
    source, target = stack.compose.address("source"), stack.compose.address("target")
    transfers = {f"{source}/demo/later:{tag} → {target}/mirror/later:{tag}" for tag in later}

    def told() -> bool:
        url = stack.compose.url("FLOWER_PORT", "/api/tasks?limit=1000")
        tasks: dict[str, Any] = requests.get(url, timeout=15).json()
        assert LOGIN not in json.dumps(tasks)
        ended = {found["args"] for found in tasks.values() if found["state"] == "SUCCESS"}
        return transfers <= ended

    wait_until(told, timeout=90, what="ten transfers in Flower")


def test_the_page_shows_the_stack_and_takes_orders_with_the_token_alone(stack: Stack, tmp_path: Path) -> None:
    url = stack.compose.url("PAGE_PORT")
    shown = requests.get(url, timeout=15).text
    assert [word for word in ("by-daemon", "docker", "leads", "one config everywhere") if word not in shown] == []
    assert LOGIN not in shown and TOKEN not in shown
    assert _order(stack, "try", "pause", token="").status_code == 403
    for verb, said in (("pause", "it is paused"), ("resume", "it goes on")):
        given = _order(stack, "try", verb)
        assert given.ok and said in given.text
    if no_browser():
        pytest.skip(f"no browser here: {no_browser()}")
    with Tab(tmp_path, width=390, phone=True) as tab:
        tab.open(f"{url}/task?name=try")
        assert "100" in tab.text() and tab.evaluate("document.documentElement.scrollWidth") == 390
        assert [asked for asked in tab.requests if not asked.startswith((url, "data:"))] == []


def test_all_containers_get_healthy(stack: Stack) -> None:
    def healthy() -> bool:
        states = stack.compose.daemon.run("ps", "--format", "{{.Names}} {{.Status}}").stdout
        roles = [line for line in states.splitlines() if re.search("worker|scheduler|page|metrics|flower", line)]
        return len(roles) == 7 and all("(healthy)" in line for line in roles)

    wait_until(healthy, timeout=120, what="healthy containers")


def test_no_credential_shows(stack: Stack) -> None:
    daemon = stack.compose.daemon
    running = daemon.run("ps", "-aq").stdout.split()
    worker = daemon.run("ps", "-q", "--filter", "name=-worker-[0-9]+$").stdout.split()[0]
    assert LOGIN in daemon.run("exec", worker, "cat", "/run/secrets/dregsy-config").stdout, "the login is in use"
    seen = {
        "containers": daemon.run("inspect", *running).stdout,
        "image": daemon.run("inspect", "dregsy-queue:latest").stdout,
        "history": daemon.run("history", "--no-trunc", "dregsy-queue:latest").stdout,
        "project": stack.compose("config").stdout,
        "processes": "".join(daemon.run("top", container, "-eo", "pid,args").stdout for container in _up(daemon)),
        "logs": stack.compose("logs", "--no-color").stdout,
        "Redis": stack.compose("exec", "-T", "redis", "sh", "-c", "cat /data/*/* | tr -cd '[:print:]'").stdout,
    }
    for where, text in seen.items():
        assert text and LOGIN not in text and PASSWORD not in text, where


def test_idle_workers_end_at_once_on_sigterm(stack: Stack) -> None:
    started = time.monotonic()
    stack.compose("stop", "worker", "--timeout", "60")
    assert time.monotonic() - started < 45


def test_nothing_is_left_when_it_is_down(stack: Stack) -> None:
    stack.compose("down", "--volumes", "--timeout", "5")
    for kind in (["ps", "-a"], ["volume", "ls"], ["network", "ls"]):
        mark = "label=com.docker.compose.project=project"
        assert stack.compose.daemon.run(*kind, "-q", "--filter", mark).stdout.split() == []


def _order(stack: Stack, task: str, verb: str, token: str = TOKEN) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = stack.compose.url("PAGE_PORT", "/order")
    return requests.post(url, data={"task": task, "verb": verb}, headers=headers, timeout=15)


def _up(daemon: Daemon) -> list[str]:
    return daemon.run("ps", "-q").stdout.split()


def _digest(registry: Registry, repository: str, tag: str) -> str | None:
    answer = registry.session.head(f"{registry.url}/v2/{repository}/manifests/{tag}", headers={"Accept": ACCEPT})
    return answer.headers.get("Docker-Content-Digest")


def _tags(registry: Registry, repository: str) -> list[str]:
    listed = registry.session.get(f"{registry.url}/v2/{repository}/tags/list")
    return list(listed.json()["tags"] or []) if listed.status_code == 200 else []


def _answers(registry: Registry) -> bool:
    try:
        return registry.session.get(f"{registry.url}/v2/", timeout=2).status_code == 200
    except requests.RequestException:
        return False
