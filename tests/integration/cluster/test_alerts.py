"""From killed roles to an alert: the exporter, a real Prometheus, and the rules that are shipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.lab.cluster import Cluster
from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import ROOT, ManagedProcess, free_port, tool, wait_until
from tests.lab.registry import Registry

RULES = ROOT / "deploy" / "monitoring" / "alerts.yaml"


class Prometheus:
    """Scrapes one exporter, every second where the shipped example says every 15."""

    def __init__(self, folder: Path, exporter: int) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        config = {
            "global": {"scrape_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "dregsy", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        options = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'prometheus'}"]
        address = f"--web.listen-address={self.url.removeprefix('http://')}"
        self.process = ManagedProcess([tool("prometheus"), *options, address], folder / "prometheus.log")

    def get(self, path: str, **parameters: str) -> Any:
        try:
            answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=5)
        except requests.RequestException:
            return {}
        return answer.json().get("data", {}) if answer.ok else {}

    def value(self, query: str) -> float | None:
        found = self.get("query", query=query).get("result", [])
        return float(found[0]["value"][1]) if found else None

    def firing(self) -> set[str]:
        alerts = self.get("alerts").get("alerts", [])
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest.fixture
def prometheus(cluster: Cluster, tmp_path: Path) -> Iterator[Prometheus]:
    try:
        tool("prometheus")
    except FileNotFoundError:
        pytest.skip("prometheus is not installed (Debian has it in the package prometheus)")
    port = free_port()
    exporter = ManagedProcess(
        [str(BIN / "dregsy"), "metrics", "--port", str(port), "--address", "127.0.0.1"],
        tmp_path / "exporter",
        env={**os.environ, "DREGSY_REDIS_URL": cluster.redis.url},
    )
    found = Prometheus(tmp_path, port)
    yield found
    found.process.kill()
    exporter.kill()


@pytest.mark.timeout(150)
def test_killed_roles_are_an_alert_within_a_minute(
    cluster: Cluster, prometheus: Prometheus, source: Registry, target: Registry
) -> None:
    push_many(source, "lib/app", ["1"])
    config = write_config(cluster.folder, task("t", location(source), location(target), mapping("lib/app")))
    cluster.worker(config, "w1")
    cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.done)
    wait_until(lambda: prometheus.value("dregsy_scheduler_up") == prometheus.value("dregsy_workers") == 1, timeout=30)
    assert prometheus.firing() == set()
    for role in cluster.roles:
        role.process.kill()
    wait_until(lambda: {"NoScheduler", "NoWorker"} <= prometheus.firing(), timeout=60, what="both alerts")
    assert prometheus.firing() == {"NoScheduler", "NoWorker"}
