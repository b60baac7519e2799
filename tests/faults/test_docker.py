"""A Docker daemon that is killed in the middle, or that comes late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MakeProxy
from tests.lab.cluster import Cluster
from tests.lab.daemon import Daemon, daemon_for_relays
from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import ManagedProcess, wait_until
from tests.lab.proxy import Faults
from tests.lab.registry import Registry

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker"), pytest.mark.timeout(200)]


@pytest.fixture
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_for_relays(tmp_path_factory.mktemp("docker")) as daemon:
        yield daemon


def test_a_daemon_that_is_killed_in_the_middle(
    cluster: Cluster, daemon: Daemon, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    """Away for longer than all attempts of a job would take: while it is, the worker takes no job for it."""
    push_many(source, "lib/app", [f"{n}" for n in range(24)], size=100_000)
    slow = make_proxy(source, faults=Faults(latency=0.2))
    settings = {"dockerhost": f"unix://{daemon.socket}"}
    config = write_config(
        cluster.folder,
        task("t", location(slow.host), location(target), mapping("lib/app")),
        relay="docker",
        docker=settings,
    )
    worker = cluster.worker(config, "w1", "--concurrency", "4", DREGSY_MAX_ATTEMPTS="2", DREGSY_BACKOFF="0.2")
    cluster.beat(config)
    cluster.wait_for("t", lambda counts: counts.copied >= 4)
    daemon.kill()
    wait_until(lambda: any("takes no docker jobs any more" in line["msg"] for line in worker.lines()), timeout=30)
    time.sleep(2)
    daemon.start()
    counts = cluster.wait_for("t", lambda counts: counts.done, timeout=100)
    assert (counts.copied, counts.failed) == (24, 0)
    assert len(target.tags("lib/app")) == 24 and worker.process.alive


def test_a_daemon_that_comes_late(daemon: Daemon, tmp_path: Path, source: Registry, target: Registry) -> None:
    push_many(source, "lib/app", ["1", "2"])
    daemon.stop()
    config = write_config(
        tmp_path,
        task("t", location(source), location(target), mapping("lib/app")),
        relay="docker",
        docker={"dockerhost": f"unix://{daemon.socket}"},
    )
    command = ManagedProcess([str(BIN / "dregsy"), f"-config={config}"], tmp_path / "log")
    wait_until(lambda: "waiting up to" in command.output(), timeout=40)
    daemon.start()
    assert command.process.wait(60) == 0, command.output()
    assert sorted(target.tags("lib/app")) == ["1", "2"]
