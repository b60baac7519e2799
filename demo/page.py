"""Makes docs/images/page.png and page-phone.png: the page in the middle of a sync, by a real browser."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import requests

from tests.lab.browser import Browser, no_browser
from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import ManagedProcess, free_port, wait_until
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry

PICTURES = Path(__file__).parent.parent / "docs" / "images"


def main() -> int:
    why = no_browser()
    if why:
        print(f"no screenshots: {why}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="dregsy-page-") as name:
        folder = Path(name)
        source, target, redis = Registry(folder / "source"), Registry(folder / "target"), RedisServer(folder / "redis")
        cluster = Cluster(folder, redis)
        try:
            for server in (source, target, redis):
                server.start()
            for path in ("shop/web", "shop/api"):
                push_many(source, path, [f"1.{n}.0" for n in range(12)])
            take(Browser(folder), cluster, source, target)
        finally:
            for role in cluster.roles:
                role.process.stop()
            for server in (redis, target, source):
                server.stop()
    return 0


def take(browser: Browser, cluster: Cluster, source: Registry, target: Registry) -> None:
    sides = location(source), location(target)
    config = write_config(
        cluster.folder,
        task("shop", *sides, mapping("shop/web"), mapping("shop/api"), interval=3600),
        task("tools", *sides, mapping("tools/curl", tags=["8.9.0", "8.9.1"]), interval=3600),
        registries={source.host: {"max-concurrent": 4}},
        # so that some are under way while the page is drawn
        skopeo=slow_skopeo(cluster.folder, 3),
    )
    port = free_port()
    environment = {**os.environ, "DREGSY_REDIS_URL": cluster.redis.url, "DREGSY_WEB_TOKEN": "a token"}
    page = ManagedProcess([str(BIN / "dregsy"), "web", "--port", str(port)], cluster.folder / "page", env=environment)
    try:
        cluster.worker(config, "w1")
        cluster.beat(config)
        cluster.wait_for("shop", lambda counts: counts.copied >= 8)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: requests.get(url, timeout=5).ok, what="the page")
        browser.screenshot(url, PICTURES / "page.png", width=1100, height=900)
        browser.screenshot(f"{url}/task?name=tools", PICTURES / "page-phone.png", width=500, height=1100)
    finally:
        page.stop()


if __name__ == "__main__":
    sys.exit(main())
