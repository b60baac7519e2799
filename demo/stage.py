"""A cluster to take pictures of: a slow source with a quota, a target, three tasks of which one fails, all roles."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.cluster import Cluster
from tests.lab.dregsy import BIN, Role, mapping, task, write_config
from tests.lab.images import push_image, push_many
from tests.lab.processes import ManagedProcess, free_port, wait_until
from tests.lab.proxy import Faults, HubProxy, Quota
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry

MIB = 1024 * 1024
SOURCE, TARGET = "docker.io", "mirror.lan"
#: bytes per second of one transfer, so that some are under way while a picture is taken
RATE = 3.0 * MIB
WEB = [f"2.{n}" for n in range(16)]


@dataclass
class Stage:
    folder: Path
    config: Path
    cluster: Cluster
    #: its registries, for a second stage beside
    proxy: HubProxy

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DREGSY_REDIS_URL": self.cluster.redis.url,
            "DREGSY_WEB_TOKEN": "a token",
            "DREGSY_CONFIG": str(self.config),
            "NO_PROXY": "127.0.0.1",
        }

    @contextlib.contextmanager
    def page(self) -> Iterator[str]:
        """The page's address."""
        port = free_port()
        command = [str(BIN / "dregsy"), "web", "--port", str(port)]
        server = ManagedProcess(command, self.folder / "page", env=self.environment)
        try:
            wait_until(lambda: "the page is at" in server.output(), what="the page")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop()

    def flower(self) -> str:
        """Flower's address; it sees what is sent from now on."""
        port = free_port()
        options = ("--address=127.0.0.1", f"--port={port}")
        self.cluster.roles.append(Role("flower", self.folder, self.config, self.cluster.redis.url, *options))
        return f"http://127.0.0.1:{port}/tasks"

    def start(self) -> None:
        """Two workers, and two schedulers of which one leads."""
        for name in ("worker-a", "worker-b"):
            self.cluster.worker(self.config, name, "--concurrency", "8")
        self.cluster.beat(self.config)
        self.cluster.wait_for("base", lambda counts: counts.done)
        self.cluster.beat(self.config)


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Registries and Redis, with nothing synced yet."""
    with tempfile.TemporaryDirectory(prefix="dregsy-pictures-") as name:
        folder = Path(name)
        source, target, redis = Registry(folder / "source"), Registry(folder / "target"), RedisServer(folder / "redis")
        proxy = HubProxy(source, quota=Quota(100, 21600), faults=Faults(rate=RATE))
        cluster = Cluster(folder, redis)
        try:
            for server in (source, target, redis):
                server.start()
            proxy.start()
            _fill(source)
            yield Stage(folder, _config(folder, proxy, target), cluster, proxy)
        finally:
            for role in cluster.roles:
                role.process.kill()
            proxy.stop()
            for server in (redis, target, source):
                server.stop()


def _fill(source: Registry) -> None:
    push_many(source, "library/busybox", ["1.35", "1.36", "1.37"])
    push_many(source, "tools/curl", ["8.10.0"])
    for number, tag in enumerate(WEB):
        push_image(source, "shop/web", tag, size=(12 + 3 * number) * MIB, layers=2)


def _config(folder: Path, proxy: HubProxy, target: Registry) -> Path:
    sides = {"registry": SOURCE}, {"registry": TARGET}
    return write_config(
        folder,
        task("base", *sides, mapping("library/busybox", "busybox"), interval=3600),
        task("shop", *sides, mapping("shop/web", "web"), interval=1800),
        task("tools", *sides, mapping("tools/curl", tags=["8.10.0", "8.9.0", "8.9.1"]), interval=3600),
        relay="direct",
        registries={
            SOURCE: {"max-concurrent": 4, "transfers": "200/6h", "endpoint": f"http://{proxy.host}"},
            TARGET: {"endpoint": target.url},
        },
    )
