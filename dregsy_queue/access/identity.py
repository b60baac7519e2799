"""Which source of credentials a location has; a new cloud is one file and one line here.

What clouds need is loaded for registries of theirs alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dregsy_queue.config.models import Location
from dregsy_queue.oci.hosts import ecr_registry, is_google
from dregsy_queue.registry.credentials.docker_config import DockerConfigSource
from dregsy_queue.registry.credentials.source import CredentialsSource, Static

if TYPE_CHECKING:
    from dregsy_queue.registry.credentials.ecr import EcrSource

#: How long an ECR token is used when the config does not say, in seconds; it lives for 12 hours.
_ECR_REFRESH = 6 * 3600.0


def choose_source(location: Location) -> CredentialsSource:
    """The first that applies: `auth: none` is anonymous; ECR with `auth-refresh`, `aws-profile` or `aws-role-arn` asks
    AWS; `auth` is used as it stands; a Google registry asks Google; else the logins of this machine's user."""
    if location.anonymous:
        return Static(None)
    aws = ecr_source(location)
    if aws is not None:
        return aws
    if location.credentials is not None:
        return Static(location.credentials)
    if is_google(location.host):
        from dregsy_queue.registry.credentials.google import GoogleSource

        return GoogleSource(location.host)
    return DockerConfigSource(location.host)


def ecr_source(location: Location) -> EcrSource | None:
    """The AWS identity that signs in to a location; None where another does, and where it is no ECR registry."""
    if location.auth_refresh is None and not location.aws_profile and not location.aws_role_arn:
        return None
    return ecr_api(location)


def ecr_api(location: Location) -> EcrSource | None:
    """AWS' API for a location that is an ECR registry, even if its login is `auth`; None with ``none``."""
    registry = ecr_registry(location.registry)
    if registry is None or location.anonymous:
        return None
    from dregsy_queue.registry.credentials.ecr import EcrSource

    return EcrSource(
        registry, location.auth_refresh or _ECR_REFRESH, profile=location.aws_profile, role=location.aws_role_arn
    )
