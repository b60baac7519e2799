"""AWS: tokens for ECR registries, private and public, and repositories that do not exist yet."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from dregsy_queue.oci.hosts import EcrRegistry
from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry.credentials.cached import CachedSource, Fetched
from dregsy_queue.registry.errors import Kind, RegistryError

#: Errors of AWS and of its library after which the same call may succeed.
_TEMPORARY = frozenset({"ThrottlingException", "ServerException", "EndpointConnectionError", "ConnectTimeoutError"})


@dataclass(frozen=True)
class EcrImage:
    """A manifest that has tags. `pushed`: seconds since 1970."""

    digest: str
    media_type: str
    tags: tuple[str, ...]
    pushed: float


@dataclass(frozen=True)
class EcrSource(CachedSource):
    """`refresh`: seconds after which a token is fetched again, although it may live longer.

    The identity is that of `profile`, or what AWS' own library finds (environment, files, EKS, EC2), and `role` is
    assumed with it.
    """

    registry: EcrRegistry
    refresh: float
    profile: str = ""
    role: str = ""

    def fetch(self, now: float) -> Fetched:
        try:
            if self.registry.public:
                found: Any = self._client("ecr-public").get_authorization_token()["authorizationData"]
            else:
                client = self._client("ecr")
                found = client.get_authorization_token(registryIds=[self.registry.account])["authorizationData"][0]
            username, _, password = base64.b64decode(found["authorizationToken"]).decode().partition(":")
            left = found["expiresAt"].timestamp() - now
        except (BotoCoreError, ClientError, KeyError, IndexError, ValueError) as error:
            raise self._error("no token", error) from None
        return Fetched(Credentials(username, password), max(60.0, min(self.refresh, left)))

    def repositories(self, limit: int | None) -> list[str]:
        """Names of all repositories, at most `limit`. Raises: RegistryError."""
        arguments = {"registryId": self.registry.account} if self.registry.account else {}
        names: list[str] = []
        try:
            pages = self._client(self._service).get_paginator("describe_repositories").paginate(**arguments)
            for page in pages:
                names += [found["repositoryName"] for found in page["repositories"]]
                if limit is not None and len(names) >= limit:
                    break
        except (BotoCoreError, ClientError) as error:
            raise self._error("repositories cannot be listed", error) from None
        return names if limit is None else names[:limit]

    def images(self, repository: str) -> list[EcrImage]:
        """What has tags in a repository. Raises: RegistryError; of kind ``not-found`` where there is no such one."""
        arguments = {"registryId": self.registry.account, "repositoryName": repository}
        try:
            pages = (
                self._client(self._service)
                .get_paginator("describe_images")
                .paginate(filter={"tagStatus": "TAGGED"}, PaginationConfig={"PageSize": 1000}, **arguments)
            )
            return [_image(found) for page in pages for found in page["imageDetails"]]
        except (BotoCoreError, ClientError) as error:
            if _code(error) == "RepositoryNotFoundException":
                raise self._error("images cannot be listed", error, kind="not-found") from None
            raise self._error("images cannot be listed", error) from None

    def cache_prefixes(self) -> list[str]:
        """Repositories under these prefixes are pull-through caches; ``ROOT``: all. Raises: RegistryError."""
        try:
            pages = (
                self._client(self._service)
                .get_paginator("describe_pull_through_cache_rules")
                .paginate(registryId=self.registry.account)
            )
            return [rule["ecrRepositoryPrefix"] for page in pages for rule in page["pullThroughCacheRules"]]
        except (BotoCoreError, ClientError) as error:
            raise self._error("rules of pull-through caches cannot be listed", error) from None

    def ensure_repository(self, repository: str) -> bool:
        """Create `repository` unless it exists; True when it was created. Raises: RegistryError."""
        # A public registry's alias is the first part of the path, not of the name.
        name = repository.partition("/")[2] if self.registry.public else repository
        arguments = {"registryId": self.registry.account} if self.registry.account else {}
        try:
            client = self._client(self._service)
            try:
                client.describe_repositories(repositoryNames=[name], **arguments)
                return False
            except ClientError as error:
                if _code(error) != "RepositoryNotFoundException":
                    raise
            try:
                client.create_repository(repositoryName=name)
                return True
            except ClientError as error:
                # another worker was faster
                if _code(error) != "RepositoryAlreadyExistsException":
                    raise
                return False
        except (BotoCoreError, ClientError) as error:
            raise self._error(f"repository {name} cannot be made sure of", error) from None

    @property
    def _service(self) -> str:
        return "ecr-public" if self.registry.public else "ecr"

    def _client(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients
        session = boto3.Session(profile_name=self.profile or None, region_name=self.registry.region)
        if self.role:
            role = session.client("sts").assume_role(RoleArn=self.role, RoleSessionName="dregsy-queue")["Credentials"]
            session = boto3.Session(
                aws_access_key_id=role["AccessKeyId"],
                aws_secret_access_key=role["SecretAccessKey"],
                aws_session_token=role["SessionToken"],
                region_name=self.registry.region,
            )
        return session.client(service)  # type: ignore[call-overload]

    def _error(self, what: str, error: BaseException, kind: Kind = "auth") -> RegistryError:
        code = _code(error)
        reason = str(error).splitlines()[0][:300] if str(error) else code
        return RegistryError(
            f"{self.registry.host}: AWS: {what}: {reason}",
            kind=kind,
            temporary=code in _TEMPORARY,
            registry=self.registry.host,
        )


def _image(found: Any) -> EcrImage:  # noqa: ANN401 - boto3's answer
    pushed = found.get("imagePushedAt")
    return EcrImage(
        str(found.get("imageDigest", "")),
        str(found.get("imageManifestMediaType", "")),
        tuple(found.get("imageTags", ())),
        pushed.timestamp() if pushed else 0.0,
    )


def _code(error: BaseException) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
