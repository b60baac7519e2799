"""Where does one request tell what many tags name? A new kind of registry is one line here."""

from __future__ import annotations

from dregsy_queue.access.identity import choose_source, ecr_api
from dregsy_queue.config.models import Location, RegistryLimits
from dregsy_queue.oci.hosts import is_google, registry_key
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.listers.digests import DigestLister


def digest_lister(
    location: Location, client: RegistryClient, setting: RegistryLimits, *, at_source: bool
) -> DigestLister | None:
    """None where tags are asked for one by one. `setting`: of this registry.

    What a cache in front of another registry tells of many tags may be old, as only a HEAD makes it look there. So a
    source that may be such a cache is asked so only where ``bulk-digests`` is set: Docker Hub with an `endpoint`,
    Google's registries, ECR where its rules cannot be read.
    """
    wanted = setting.bulk_digests
    if wanted is False:
        return None
    if registry_key(location.host) == "docker.io":
        if setting.endpoint and not wanted:
            return None
        from dregsy_queue.registry.listers.dockerhub import DockerHubDigests
        from dregsy_queue.registry.listers.hub_api import HUB

        return DockerHubDigests(choose_source(location), wanted if isinstance(wanted, str) else HUB)
    if is_google(location.host):
        if at_source and not wanted:
            return None
        from dregsy_queue.registry.listers.google import GoogleDigests

        return GoogleDigests(client)
    aws = ecr_api(location)
    if aws is None or aws.registry.public:
        return None
    from dregsy_queue.registry.listers.ecr import EcrDigests

    return EcrDigests(aws, may_be_cache=at_source and not wanted)
