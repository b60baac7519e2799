"""What one request tells of many tags: how few requests that costs, and when it is not believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeProxy
from tests.lab.dregsy import auth, location, mapping, sync, task, write_config
from tests.lab.images import push_image, tag_many
from tests.lab.many_at_once import ECR, GOOGLE, ManyAtOnce
from tests.lab.proxy import Faults, HubProxy
from tests.lab.registry import Registry

HUB = "docker.io"
REPOSITORY = "lib/app"
LOGIN = auth("AWS", "word-secret")


class Side:
    """A registry of one kind: a real one, behind a proxy that tells of many tags at once."""

    def __init__(self, kind: str, registry: Registry, make_proxy: MakeProxy, digests: dict[str, str]) -> None:
        self.kind, self.registry = kind, registry
        self.tells = ManyAtOnce(REPOSITORY, digests, google=kind == GOOGLE)
        self.proxy: HubProxy = make_proxy(registry, faults=Faults(hook=self.tells))
        self.settings: dict[str, Any] = {"endpoint": self.proxy_url}
        if kind != ECR:
            self.settings["bulk-digests"] = self.proxy_url if kind == HUB else True

    @property
    def proxy_url(self) -> str:
        return f"http://{self.proxy.host}"

    def location(self) -> dict[str, Any]:
        return location(self.kind, auth=LOGIN if self.kind == ECR else "none")

    def asked(self) -> int:
        """Requests since the last call."""
        number = len(self.proxy.log)
        self.proxy.log.clear()
        return number

    def heads(self) -> int:
        return self.proxy.count("HEAD", "/manifests/")


def fill(registry: Registry, tags: list[str]) -> dict[str, str]:
    """One image under all these tags."""
    tag_many(registry, REPOSITORY, tags)
    digest = registry.digest(REPOSITORY, tags[0])
    assert digest
    return dict.fromkeys(tags, digest)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "word-secret")
    return monkeypatch


class Pair:
    def __init__(self, folder: Path, source: Side, target: Side) -> None:
        self.source, self.target = source, target
        registries = {source.kind: source.settings, target.kind: target.settings}
        copy = mapping(REPOSITORY, platform="all")
        self.config = write_config(
            folder, task("t", source.location(), target.location(), copy), registries=registries, relay="direct"
        )

    def sync(self) -> tuple[int, int, int]:
        return sync(self.config).counts("t")


def pair(
    folder: Path, make_proxy: MakeProxy, registries: tuple[Registry, Registry], kinds: tuple[str, str], tags: int
) -> Pair:
    named = [f"v{number}" for number in range(tags)]
    sides = [
        Side(kind, registry, make_proxy, fill(registry, named))
        for kind, registry in zip(kinds, registries, strict=True)
    ]
    return Pair(folder, *sides)


@pytest.mark.parametrize("kinds", [(HUB, GOOGLE), (GOOGLE, ECR), (ECR, GOOGLE)], ids=["hub", "google", "ecr"])
def test_a_thousand_tags_cost_few_requests(
    tmp_path: Path,
    aws: pytest.MonkeyPatch,
    source: Registry,
    target: Registry,
    make_proxy: MakeProxy,
    kinds: tuple[str, str],
) -> None:
    both = pair(tmp_path, make_proxy, (source, target), kinds, 1_000)
    for side in (both.source, both.target):
        if side.kind == ECR:
            aws.setenv("AWS_ENDPOINT_URL", side.proxy_url)
    assert both.sync() == (0, 1_000, 0)
    asked = both.source.asked(), both.target.asked()
    assert 0 < sum(asked) <= 30, asked


def test_what_is_told_is_only_believed_where_it_is_up_to_date(
    tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    both = pair(tmp_path, make_proxy, (source, target), (HUB, GOOGLE), 12)
    changed = push_image(source, REPOSITORY, "v3", seed="changed")
    both.source.tells.digests["v3"] = changed
    # It tells nothing of one tag, and of another that it changed, which it did not.
    del both.source.tells.digests["v4"]
    both.source.tells.digests["v5"] = f"sha256:{'5' * 64}"
    assert both.sync() == (1, 11, 0)
    assert target.digest(REPOSITORY, "v3") == changed
    headed = {entry.path.rpartition("/")[2] for entry in both.source.proxy.log if entry.method == "HEAD"}
    assert headed - {changed} == {"v0", "v3", "v4", "v5"}, "v0 is the sample"


def test_an_answer_that_is_old_is_not_believed(
    tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    both = pair(tmp_path, make_proxy, (source, target), (HUB, GOOGLE), 12)
    # The registry has new images; the other API does not know them yet.
    changed = [push_image(source, REPOSITORY, f"v{number}", seed="changed") for number in (0, 7)]
    assert both.sync() == (2, 10, 0)
    assert [target.digest(REPOSITORY, tag) for tag in ("v0", "v7")] == changed


@pytest.mark.parametrize("status", [403, 429, 500])
def test_where_nothing_is_told_heads_are_sent(
    tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy, status: int
) -> None:
    both = pair(tmp_path, make_proxy, (source, target), (HUB, GOOGLE), 12)
    both.source.tells.status = status
    assert both.sync() == (0, 12, 0)
    assert both.source.heads() == 12


def test_a_private_repository_is_told_to_who_signs_in(
    tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    both = pair(tmp_path, make_proxy, (source, target), (HUB, GOOGLE), 12)
    both.source.tells.private_to = {"username": "bob", "password": "secret-word"}
    assert both.sync() == (0, 12, 0)
    assert both.source.heads() == 12, "nobody signs in"
    text = both.config.read_text().replace("auth: none", f"auth: {auth('bob', 'secret-word')}", 1)
    both.config.write_text(text)
    both.source.asked()
    outcome = sync(both.config)
    assert outcome.counts("t") == (0, 12, 0)
    assert both.source.heads() == 1
    assert "secret-word" not in outcome.stderr + json.dumps(outcome.report)


def test_a_pull_through_cache_is_asked_by_head(
    tmp_path: Path, aws: pytest.MonkeyPatch, source: Registry, target: Registry, make_proxy: MakeProxy
) -> None:
    both = pair(tmp_path, make_proxy, (source, target), (ECR, GOOGLE), 12)
    aws.setenv("AWS_ENDPOINT_URL", both.source.proxy_url)
    both.source.tells.cache_prefixes = ["lib"]
    assert both.sync() == (0, 12, 0)
    assert both.source.heads() == 12
    both.source.tells.cache_prefixes = ["li"]
    both.source.asked()
    assert both.sync() == (0, 12, 0)
    assert both.source.heads() == 1


def test_it_can_be_switched_off(tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy) -> None:
    both = pair(tmp_path, make_proxy, (source, target), (HUB, GOOGLE), 12)
    text = both.config.read_text().replace("bulk-digests: true", "bulk-digests: false")
    both.config.write_text(text.replace(f"bulk-digests: {both.source.proxy_url}", "bulk-digests: false"))
    assert both.sync() == (0, 12, 0)
    assert (both.source.heads(), both.target.heads()) == (12, 12)
