"""Every key of the config file as a typed model. Attribute names are the keys in Python's spelling."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from dregsy_queue.config.credentials import Credentials
from dregsy_queue.config.values import Auth, Bool, Duration, File, Int, RateLimit, Text
from dregsy_queue.matching.mapping import PathMapping
from dregsy_queue.matching.platform import Platform
from dregsy_queue.matching.tags import TagSet

RelayName = Literal["skopeo", "docker"]


def _relay(value: Any) -> Any:  # noqa: ANN401 - raw YAML
    if value in (None, "skopeo", "docker"):
        return None if value is None else str(value)
    raise ValueError(f"invalid relay type: '{value}'; it must be 'skopeo' or 'docker'")


OptionalRelay = Annotated[RelayName | None, BeforeValidator(_relay)]


def _list(value: Any) -> Any:  # noqa: ANN401 - raw YAML
    return [] if value is None else value


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=False, validate_default=False
    )


class DockerSettings(_Model):
    """The Docker relay's daemon."""

    dockerhost: Text = Field("unix:///var/run/docker.sock", description="where the Docker daemon listens")
    api_version: Text = Field("", alias="api-version", description="API version; negotiated when left out")
    keep_images: Bool = Field(
        True, alias="keep-images", description="keep what was synced in the daemon's storage, as dregsy does"
    )


class SkopeoSettings(_Model):
    """The skopeo relay's program."""

    binary: Text = Field("skopeo", description="program, looked up on PATH unless it is a path")
    certs_dir: Text = Field(
        "/etc/skopeo/certs.d",
        alias="certs-dir",
        description="holds a folder per registry host (without port) with *.crt, *.cert and *.key",
    )

    @field_validator("binary", "certs_dir")
    @classmethod
    def _default_when_empty(cls, value: str, info: Any) -> str:  # noqa: ANN401 - pydantic's own
        return value or str(cls.model_fields[info.field_name].default)


class ListerSettings(_Model):
    """For all lists of repositories."""

    max_items: Int = Field(100, alias="maxItems", description="most repositories listed; negative: no limit")
    cache_duration: Duration = Field(
        3600.0, alias="cacheDuration", description="how long a list is used again; negative: never"
    )


class Lister(_Model):
    """How a source's repositories are listed, for `from: regex:…`."""

    type: Literal["catalog", "dockerhub", "index"] = Field(description="which API lists the repositories")
    search: Text = Field("", description="what to search for; required by type index")

    @field_validator("type", mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:  # noqa: ANN401 - raw YAML
        if value not in ("catalog", "dockerhub", "index"):
            raise ValueError(f"invalid lister type: '{value or ''}'; it must be 'catalog', 'dockerhub' or 'index'")
        return str(value)


class Location(_Model):
    """One side of a task: a registry and how to sign in to it."""

    registry: Text = Field("", description="host or host:port", json_schema_extra={"minLength": 1})
    auth: Auth = Field(None, description="who signs in; none: nobody", repr=False)
    auth_refresh: Duration = Field(None, alias="auth-refresh", description="ECR only: how long a token is used")
    skip_tls_verify: Bool = Field(False, alias="skip-tls-verify", description="accept any certificate, and plain HTTP")
    lister: Lister | None = Field(None, description="for 'from: regex:…'")
    aws_profile: Text = Field("", alias="aws-profile", description="profile for this ECR registry")
    aws_role_arn: Text = Field("", alias="aws-role-arn", description="role assumed for this ECR registry")

    @property
    def credentials(self) -> Credentials | None:
        return self.auth if isinstance(self.auth, Credentials) else None

    @property
    def anonymous(self) -> bool:
        """True for ``auth: none``: no identity from anywhere."""
        return self.auth == "none"


class Mapping(_Model):
    """Which repositories and tags go where."""

    from_: Text = Field("", alias="from", description="source path, or regex:EXPRESSION")
    to: Text = Field("", description="target path, or regex:EXPRESSION,REPLACEMENT; the same as from when left out")
    tags: Annotated[list[Text], BeforeValidator(_list)] = Field(
        default=[], description="tags, digests, semver:, regex: and keep: items; all tags when left out"
    )
    platform: Text = Field("", description="os/arch[/variant], or all; the worker's own when left out")

    @cached_property
    def paths(self) -> PathMapping:
        return PathMapping.parse(self.from_, self.to)

    @cached_property
    def tag_set(self) -> TagSet:
        return TagSet.parse(self.tags)

    @field_validator("tags")
    @classmethod
    def _valid_tags(cls, items: list[str]) -> list[str]:
        TagSet.parse(items)
        return items

    @field_validator("from_")
    @classmethod
    def _valid_from(cls, value: str) -> str:
        if value:
            PathMapping.parse(value, None)
        return value

    @field_validator("to")
    @classmethod
    def _valid_to(cls, value: str) -> str:
        PathMapping.parse("any", value)
        return value

    @field_validator("platform")
    @classmethod
    def _valid_platform(cls, value: str) -> str:
        if value not in ("", "all"):
            Platform.parse(value)
        return value.strip()


class SyncTask(_Model):
    """A source, a target, and what goes from one to the other."""

    name: Text = Field("", description="unique name", json_schema_extra={"minLength": 1})
    interval: Int = Field(0, description="seconds between runs, at least 30; 0: once")
    verbose: Bool = Field(False, description="the relay's output goes to the log")
    relay: OptionalRelay = Field(None, description="relay of this task; the global one when left out")
    priority: Int = Field(5, description="0 to 9; higher goes first", ge=0, le=9)
    source: Location
    target: Location
    mappings: Annotated[list[Mapping], BeforeValidator(_list)] = Field(default=[])

    @field_validator("interval")
    @classmethod
    def _valid_interval(cls, value: int) -> int:
        if value < 0:
            raise ValueError(f"interval is {value}: task interval needs to be 0 or a positive integer")
        if 0 < value < 30:
            raise ValueError(f"interval is {value} s: minimum task interval is 30 seconds")
        return value


class RegistryLimits(_Model):
    """What all workers together may do with one registry, and how its API is reached."""

    max_concurrent: Int | None = Field(
        None, alias="max-concurrent", description="transfers at once that read from or write to it", ge=1
    )
    transfers: RateLimit = Field(None, description="transfers started per window, for example 100/6h")
    requests: RateLimit = Field(None, description="API requests, for example 20/s")
    reserve: Int | None = Field(None, description="hold back when fewer pulls are left by the registry's word", ge=0)
    ca: File = Field(None, description="CA certificates (PEM) for API requests")
    endpoint: Text | None = Field(None, description="base URL of its API, for example http://127.0.0.1:5000")

    @field_validator("endpoint")
    @classmethod
    def _valid_endpoint(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError(f"'{value}' is not a URL; write http://host:port or https://host:port")
        return value.rstrip("/") if value else None

    @field_validator("ca")
    @classmethod
    def _readable_ca(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file '{value}'")
        return value


def _mapping(value: Any) -> Any:  # noqa: ANN401 - raw YAML
    return {} if value is None else value


class Config(_Model):
    """A whole config file."""

    relay: Annotated[RelayName, BeforeValidator(lambda value: _relay(value) or "docker")] = Field(
        "docker", description="what copies the images"
    )
    docker: DockerSettings | None = Field(None)
    skopeo: Annotated[SkopeoSettings, BeforeValidator(_mapping)] = Field(default=SkopeoSettings())
    lister: Annotated[ListerSettings, BeforeValidator(_mapping)] = Field(default=ListerSettings())
    watch: Bool | None = Field(None, description="read the file anew when it changes")
    dockerhost: Text = Field("", description="deprecated: docker.dockerhost")
    api_version: Text = Field("", alias="api-version", description="deprecated: docker.api-version")
    registries: Annotated[dict[str, RegistryLimits], BeforeValidator(_mapping)] = Field(
        default={}, description="limits per registry, by host[:port] as tasks name it"
    )
    tasks: Annotated[list[SyncTask], BeforeValidator(_list)] = Field(default=[])

    @property
    def docker_settings(self) -> DockerSettings:
        """The Docker relay's settings, deprecated top-level keys included."""
        if self.docker is not None:
            return self.docker
        given = {"dockerhost": self.dockerhost, "api-version": self.api_version}
        return DockerSettings.model_validate({name: value for name, value in given.items() if value})
