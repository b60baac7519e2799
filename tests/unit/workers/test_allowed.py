"""Whether a worker's own config has what a job asks for: jobs come from Redis, where others may write, too."""

from __future__ import annotations

from typing import Any

import pytest

from dregsy_queue.config.models import SyncTask
from dregsy_queue.ledger.jobs import TransferJob
from dregsy_queue.oci.digest import Digest
from workers.jobs.allowed import why_dropped

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def task(*mappings: dict[str, Any], source: str = "src.example", target: str = "dst.example") -> SyncTask:
    return SyncTask.model_validate(
        {"name": "t", "source": {"registry": source}, "target": {"registry": target}, "mappings": list(mappings)}
    )


def job(source: str, target: str, platform: str = "", relay: str = "skopeo") -> TransferJob:
    return TransferJob(
        source=source, target=target, platform=platform, relay=relay, reason="missing", source_digest=Digest(DIGEST),
        digest=Digest(DIGEST), pulls=1,
    )  # fmt: skip


TASK = task(
    {
        "from": "lib/app",
        "to": "mirror/app",
        "tags": ["1", "regex: v[0-9]+", "keep: .*[0-8]", "named@" + DIGEST, DIGEST],
    },
    {"from": "regex: team/.*", "to": "regex: ^/team/(.*)$,/ours/$1", "tags": ["semver: >=1.0.0"]},
    {"from": "regex: prefixed/.*", "to": "below", "platform": "linux/arm64"},
    {"from": "whole", "tags": ["keep: latest 2"]},
)
S, D = "src.example", "dst.example"


@pytest.mark.parametrize(
    ("source", "target", "platform"),
    [
        (f"{S}/lib/app:1", f"{D}/mirror/app:1", ""),
        (f"{S}/lib/app:v12", f"{D}/mirror/app:v12", ""),
        (f"{S}/lib/app@{DIGEST}", f"{D}/mirror/app:named", ""),
        (f"{S}/lib/app@{DIGEST}", f"{D}/mirror/app@{DIGEST}", ""),
        (f"{S}/lib/app@{DIGEST}", f"{D}/mirror/app:dregsy-{'a' * 64}", ""),
        (f"{S}/team/x/y:1.2.3", f"{D}/ours/x/y:1.2.3", ""),
        (f"{S}/prefixed/x:anything", f"{D}/below/prefixed/x:anything", "linux/arm64"),
        (f"{S}/whole:7", f"{D}/whole:7", ""),
    ],
)
def test_what_the_config_has_may_run(source: str, target: str, platform: str) -> None:
    assert why_dropped(TASK, job(source, target, platform), "skopeo") is None


@pytest.mark.parametrize(
    ("source", "target", "platform"),
    [
        # the task's registries, and any repositories
        (f"{S}/private/secret:1", f"{D}/prod/payment:1", ""),
        (f"{S}/lib/app:1", f"{D}/prod/payment:1", ""),
        (f"{S}/private/secret:1", f"{D}/mirror/app:1", ""),
        # another tag of a selected repository, one that is filtered out, and another name at the target
        (f"{S}/lib/app:2", f"{D}/mirror/app:2", ""),
        (f"{S}/lib/app:v9", f"{D}/mirror/app:v9", ""),
        (f"{S}/lib/app:v12", f"{D}/mirror/app:1", ""),
        (f"{S}/lib/app@{OTHER}", f"{D}/mirror/app:named", ""),
        (f"{S}/lib/app@{OTHER}", f"{D}/mirror/app@{OTHER}", ""),
        (f"{S}/lib/app@{DIGEST}", f"{D}/mirror/app:1", ""),
        (f"{S}/team/x:0.9.0", f"{D}/ours/x:0.9.0", ""),
        (f"{S}/team/x:1.0.0", f"{D}/team/x:1.0.0", ""),
        # another platform, other registries
        (f"{S}/prefixed/x:1", f"{D}/below/prefixed/x:1", ""),
        (f"{S}/lib/app:1", f"{D}/mirror/app:1", "all"),
        ("evil.example/lib/app:1", f"{D}/mirror/app:1", ""),
        (f"{S}/lib/app:1", "evil.example/mirror/app:1", ""),
        ("", "", ""),
        (f"{S}/../x:1", f"{D}/x:1", ""),
    ],
)
def test_what_it_does_not_have_may_not(source: str, target: str, platform: str) -> None:
    assert why_dropped(TASK, job(source, target, platform), "skopeo")


def test_relay_and_task_count() -> None:
    asked = job(f"{S}/lib/app:1", f"{D}/mirror/app:1")
    assert why_dropped(TASK, asked, "docker") == "its task is copied by another relay by now"
    assert why_dropped(None, asked, "skopeo") == "its task is not in the config any more"


@pytest.mark.parametrize("name", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_official_images_of_docker_hub(name: str) -> None:
    hub = task({"from": "busybox", "to": "mirror/busybox"}, {"from": "regex: library/al.*"}, source="docker.io")
    for repository, target in (("busybox", "mirror/busybox"), ("library/alpine", "library/alpine")):
        for written in {repository, f"library/{repository.rpartition('/')[2]}"}:
            assert why_dropped(hub, job(f"{name}/{written}:1", f"{D}/{target}:1"), "skopeo") is None
