"""Redis behind sentinels, with a fail-over in the middle, and Redis by TLS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from dregsy_queue.ledger.redis_url import SentinelAddress, parse_sentinel
from tests.lab.certificates import Authority
from tests.lab.cluster import Cluster, slow_skopeo
from tests.lab.dregsy import BIN, location, mapping, task, write_config
from tests.lab.images import push_many
from tests.lab.processes import ManagedProcess, free_port, tool, wait_until
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry

PASSWORD = "word-Zq81"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sentinel://a:1;b:2", SentinelAddress((("a", 1), ("b", 2)), "mymaster", 0, None, None)),
        ("sentinel://a/3?master_name=m", SentinelAddress((("a", 26379),), "m", 3, None, None)),
        ("sentinel://:p%40w@a:1;b:2/0", SentinelAddress((("a", 1), ("b", 2)), "mymaster", 0, None, "p@w")),
        ("sentinel://u:p@a:1", SentinelAddress((("a", 1),), "mymaster", 0, "u", "p")),
    ],
)
def test_sentinel_addresses(url: str, expected: SentinelAddress) -> None:
    assert parse_sentinel(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        *("sentinel://", "sentinel://a:x", "sentinel://a/b", "sentinel://:secret@;a"),
        *("secret", "http://:secret@a", "redis://:secret@a:x/0", "rediss://:secret@a?ssl_ca_certs=/no/such/file"),
    ],
)
def test_bad_addresses_are_told_in_one_line_without_what_is_secret(url: str) -> None:
    environment = {**os.environ, "DREGSY_REDIS_URL": url}
    for command in (["dregsy", "status"], ["celery", "-A", "dregsy_queue", "worker"]):
        done = subprocess.run([BIN / command[0], *command[1:]], env=environment, capture_output=True, text=True)
        # Celery puts its own word before it
        line = done.stderr.removeprefix("Error: ")
        assert done.returncode != 0 and line.startswith("DREGSY_REDIS_URL ") and line.count("\n") == 1
        assert "secret" not in done.stderr


def test_no_master_is_told_in_one_line(tmp_path: Path) -> None:
    """A Sentinel that is away, one that knows no such name, and one that wants a password of its own."""
    port, nobody = free_port(), free_port()
    (tmp_path / "sentinel.conf").write_text(f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n")
    command = [tool("redis-server"), str(tmp_path / "sentinel.conf"), "--sentinel"]
    process = ManagedProcess(command, tmp_path / "log")
    try:
        sentinel: Any = redis.Redis(port=port)
        wait_until(partial(_answers, sentinel), 60, "the sentinel")
        head = "Redis does not answer: no Sentinel tells of a master 'm': the first one "
        assert _status(f"sentinel://127.0.0.1:{port}?master_name=m") == (
            f"{head}knows none of this name (master_name) that is up"
        )
        assert _status(f"sentinel://127.0.0.1:{nobody}?master_name=m").startswith(f"{head}does not help: Error 111")
        sentinel.execute_command("ACL", "SETUSER", "default", "resetpass", ">own")
        told = _status(f"sentinel://127.0.0.1:{port}?master_name=m")
        assert told == f"{head}does not help: it wants a password, and was given none"
    finally:
        process.kill()


def test_cluster_mode_is_told_as_such(tmp_path: Path) -> None:
    # Its second port would be the first one and 10,000, which somebody else may have.
    server = RedisServer(tmp_path / "redis").start("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    config = write_config(tmp_path, task("t", location("127.0.0.1:9"), location("127.0.0.1:9"), mapping("a")))
    cluster = Cluster(tmp_path, server)
    try:
        told = "Redis runs in cluster mode, which is not supported: use a single one, or Sentinel"
        assert told in _status(server.url)
        worker, scheduler = cluster.worker(config, "w1"), cluster.beat(config)
        wait_until(lambda: told in worker.log.read_text() and told in scheduler.log.read_text(), 60, "the lines")
    finally:
        cluster.kill()
        server.kill()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _status(url: str) -> str:
    environment = {**os.environ, "DREGSY_REDIS_URL": url}
    done = subprocess.run([BIN / "dregsy", "status"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr.strip()


class Watched:
    """A master, a replica, and three sentinels."""

    def __init__(self, folder: Path) -> None:
        self._processes: list[ManagedProcess] = []
        self.ports = [free_port(), free_port()]
        login = ["--requirepass", PASSWORD, "--masterauth", PASSWORD]
        for number, port in enumerate(self.ports):
            home = folder / f"redis{number}"
            home.mkdir()
            command = [
                tool("redis-server"),
                "--port",
                str(port),
                "--bind",
                "127.0.0.1",
                "--dir",
                str(home),
                "--save",
                "",
            ]
            replica = ["--replicaof", "127.0.0.1", str(self.ports[0])] if number else []
            self._processes.append(ManagedProcess([*command, *login, *replica], home / "log"))
        for port in self.ports:
            wait_until(partial(self._ping, port), what="redis")
        sentinels = []
        for number in range(3):
            port, home = free_port(), folder / f"sentinel{number}"
            home.mkdir()
            (home / "sentinel.conf").write_text(
                f"port {port}\nbind 127.0.0.1\ndir {home}\n"
                f"sentinel monitor mymaster 127.0.0.1 {self.ports[0]} 2\n"
                f"sentinel auth-pass mymaster {PASSWORD}\n"
                "sentinel down-after-milliseconds mymaster 1500\nsentinel failover-timeout mymaster 5000\n"
            )
            command = [tool("redis-server"), str(home / "sentinel.conf"), "--sentinel"]
            self._processes.append(ManagedProcess(command, home / "log"))
            sentinels.append(f"127.0.0.1:{port}")
        self.url = f"sentinel://:{PASSWORD}@{';'.join(sentinels)}/0?master_name=mymaster"
        client: Any = redis.Redis(port=int(sentinels[0].partition(":")[2]), decode_responses=True)

        def complete() -> bool:
            try:
                state = client.sentinel_master("mymaster")
            except redis.RedisError:
                return False
            return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == 2)

        wait_until(complete, timeout=40, what="sentinels")
        client.close()

    def _ping(self, port: int) -> bool:
        try:
            return bool(redis.Redis(port=port, password=PASSWORD).ping())
        except redis.RedisError:
            return False

    def kill_master(self) -> None:
        self._processes[0].kill()

    def stop(self) -> None:
        for process in self._processes:
            process.kill()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.stop()


@pytest.mark.timeout(240)
def test_a_fail_over_in_the_middle(watched: Watched, tmp_path: Path, source: Registry, target: Registry) -> None:
    digests = push_many(source, "lib/app", [f"{n}" for n in range(80)])
    server = RedisServer(tmp_path / "unused")
    server.url = watched.url
    cluster = Cluster(tmp_path, server)
    config = write_config(
        tmp_path,
        task("t", location(source), location(target), mapping("lib/app"), interval=30),
        skopeo=slow_skopeo(tmp_path, 0.5),
    )
    try:
        roles = [cluster.worker(config, "w1"), cluster.worker(config, "w2"), cluster.beat(config)]
        cluster.wait_for("t", lambda counts: counts.copied >= 15)
        watched.kill_master()
        wait_until(lambda: len(target.tags("lib/app")) == 80, timeout=120, what="all images")
        assert {tag: target.digest("lib/app", tag) for tag in digests} == digests
        push_many(source, "lib/app", ["later"])
        wait_until(lambda: target.digest("lib/app", "later"), timeout=90, what="the schedule goes on")
        for role in roles:
            assert role.process.alive
            assert PASSWORD not in role.log.read_text()
    finally:
        cluster.kill()


@pytest.mark.timeout(120)
def test_redis_by_tls(tmp_path: Path, source: Registry, target: Registry) -> None:
    if "valkey" in tool("redis-server"):
        pytest.skip("the Redis of the wheel speaks no TLS: scripts/setup installs redis-tools")
    authority = Authority(tmp_path / "ca")
    certificate, port = authority.server(), free_port()
    process = ManagedProcess(
        [tool("redis-server"), "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", ""]
        + ["--tls-cert-file", str(certificate.certificate), "--tls-key-file", str(certificate.key)]
        + ["--tls-ca-cert-file", str(authority.certificate), "--tls-auth-clients", "no", "--requirepass", PASSWORD],
        tmp_path / "redis.log",
    )
    push_many(source, "lib/app", ["1", "2"])
    server = RedisServer(tmp_path / "unused")
    server.url = f"rediss://:{PASSWORD}@127.0.0.1:{port}/0?ssl_ca_certs={authority.certificate}"
    cluster = Cluster(tmp_path, server)
    config = write_config(tmp_path, task("t", location(source), location(target), mapping("lib/app"), interval=30))
    try:
        worker, scheduler = cluster.worker(config, "w1"), cluster.beat(config)
        counts = cluster.wait_for("t", lambda counts: counts.done, timeout=40)
        assert counts.copied == 2
        assert PASSWORD not in worker.log.read_text() + scheduler.log.read_text()
    finally:
        cluster.kill()
        process.kill()
