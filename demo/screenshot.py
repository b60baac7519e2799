"""Makes docs/images/flower.png: Flower's page of tasks in the middle of a sync, by a real browser."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import requests

from tests.lab.browser import Browser, no_browser
from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import Role, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import free_port, wait_until
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "flower.png"
#: short names: Flower cuts what is longer than 400 pixels
PATHS = ("web", "api", "db")


def main() -> int:
    why = no_browser()
    if why:
        print(f"no screenshot: {why}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="dregsy-screenshot-") as name:
        folder = Path(name)
        source, target, redis = Registry(folder / "source"), Registry(folder / "target"), RedisServer(folder / "redis")
        cluster = Cluster(folder, redis)
        try:
            for server in (source, target, redis):
                server.start()
            for path in PATHS:
                push_many(source, path, [str(n) for n in range(1, 9)])
            config = write_config(
                folder,
                task("shop", location(source), location(target), *(mapping(path) for path in PATHS)),
                # so that some are under way while the page loads
                skopeo=slow_skopeo(folder, 3),
            )
            take(Browser(folder), cluster, config)
        finally:
            for role in cluster.roles:
                role.process.stop()
            for server in (redis, target, source):
                server.stop()
    print(f"{PICTURE.relative_to(Path.cwd())}: {PICTURE.stat().st_size // 1024} KiB")
    return 0


def take(browser: Browser, cluster: Cluster, config: Path) -> None:
    port = free_port()
    page = f"http://127.0.0.1:{port}/tasks"
    options = ("--address=127.0.0.1", f"--port={port}")
    cluster.roles.append(Role("flower", cluster.folder, config, cluster.redis.url, *options))
    wait_until(lambda: answers(page), what="Flower")
    for name in ("worker-a", "worker-b"):
        cluster.worker(config, name, "--concurrency", "3")
    cluster.beat(config)
    cluster.wait_for("shop", lambda counts: counts.copied >= 10)
    PICTURE.parent.mkdir(exist_ok=True)
    browser.screenshot(page, PICTURE, width=1400, height=784)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False


if __name__ == "__main__":
    os.environ["NO_PROXY"] = "127.0.0.1"
    sys.exit(main())
