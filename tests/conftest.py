"""Real components for tests, each of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.lab.cluster import Cluster
from tests.lab.proxy import HubProxy
from tests.lab.redis import RedisServer
from tests.lab.registry import Registry

# A busy machine fails no property.
settings.register_profile("dregsy_queue", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dregsy_queue")

MakeRegistry = Callable[..., Registry]
MakeProxy = Callable[..., HubProxy]


@pytest.fixture
def make_registry(tmp_path: Path) -> Iterator[MakeRegistry]:
    """Starts registries; arguments as `Registry` takes them."""
    started: list[Registry] = []

    def make(**options: Any) -> Registry:
        registry = Registry(tmp_path / f"registry{len(started)}", **options)
        started.append(registry)
        return registry.start()

    yield make
    for registry in started:
        registry.stop()


@pytest.fixture
def make_proxy() -> Iterator[MakeProxy]:
    """Starts proxies; arguments as `HubProxy` takes them."""
    started: list[HubProxy] = []

    def make(registry: Registry, **options: Any) -> HubProxy:
        started.append(HubProxy(registry, **options))
        return started[-1].start()

    yield make
    for proxy in started:
        proxy.stop()


@pytest.fixture
def source(make_registry: MakeRegistry) -> Registry:
    return make_registry()


@pytest.fixture
def target(make_registry: MakeRegistry) -> Registry:
    return make_registry()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis").start()
    yield server
    server.kill()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


@pytest.fixture
def cluster(tmp_path: Path, redis_server: RedisServer) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, redis_server)
    yield cluster
    cluster.kill()
