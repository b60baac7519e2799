"""What a registry's host name tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType

_ECR = re.compile(r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(\.cn)?")
#: Names of Docker Hub, all one registry.
DOCKER_HUB = frozenset(
    {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "registry.docker.io"}
)


@dataclass(frozen=True)
class EcrRegistry:
    """An ECR registry; `account` may be empty for a public one."""

    host: str
    account: str
    region: str
    public: bool


def ecr_registry(registry: str) -> EcrRegistry | None:
    """``ACCOUNT.dkr.ecr.REGION.amazonaws.com[.cn]`` or ``[ACCOUNT[:REGION]@]public.ecr.aws``; None for others."""
    identity, _, host = registry.rpartition("@")
    if host == "public.ecr.aws":
        account, _, region = identity.partition(":")
        # ECR's public API is in this region alone, unless told otherwise.
        return EcrRegistry(host, account, region or "us-east-1", public=True)
    match = _ECR.fullmatch(host)
    return EcrRegistry(host, match[1], match[2], public=False) if match else None


def is_google(host: str) -> bool:
    """True for Container Registry and Artifact Registry."""
    return host == "gcr.io" or host.endswith((".gcr.io", "-docker.pkg.dev"))


def is_ecr(host: str) -> bool:
    """True for private and public ECR registries."""
    return _ECR.fullmatch(host) is not None or host == "public.ecr.aws"


#: One name per registry, as `registry_key` gives it; limits and pauses go by it.
RegistryKey = NewType("RegistryKey", str)


def registry_key(host: str) -> RegistryKey:
    """One name per registry: lower case, and ``docker.io`` for all names of Docker Hub."""
    host = host.lower()
    return RegistryKey("docker.io" if host in DOCKER_HUB else host)


def api_host(host: str) -> str:
    """Where the registry's API is: Docker Hub's is not at ``docker.io``."""
    return "registry-1.docker.io" if registry_key(host) == "docker.io" else host


def without_port(host: str) -> str:
    """``registry.example.com`` of ``registry.example.com:5000``, ``::1`` of ``[::1]:5000``."""
    if host.startswith("["):
        return host[1 : host.index("]")]
    return host.partition(":")[0]
