"""Every key of the config file as a typed model. Attribute names are the keys in Python's spelling."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from dregsy_queue.config.scalars import (
    Auth,
    Bool,
    BoolOrText,
    Duration,
    File,
    Immutable,
    Int,
    PlatformText,
    RateLimit,
    Text,
)
from dregsy_queue.kinds import RELAYS, RelayName
from dregsy_queue.matching.go_regex import Matcher
from dregsy_queue.matching.paths import PathMapping
from dregsy_queue.matching.tags import TagSet
from dregsy_queue.oci.login import Credentials

#: In seconds, about 292 years: what Go's durations hold.
LONGEST_INTERVAL = 2**63 // 10**9


def _relay(value: Any) -> Any:  # noqa: ANN401 - raw YAML
    if value in (None, "", *RELAYS):
        return str(value) if value else None
    *names, last = [f"'{name}'" for name in RELAYS]
    raise ValueError(f"invalid relay type: '{value}'; it must be {', '.join(names)} or {last}")


def _no_limits(value: Any) -> Any:  # noqa: ANN401 - raw YAML
    return {} if value is None else value


OptionalRelay = Annotated[RelayName | None, BeforeValidator(_relay)]


def _tag_item(item: str) -> str:
    TagSet.parse([item])
    return item


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=False, validate_default=False
    )

    @model_validator(mode="before")
    @classmethod
    def _null_counts_as_left_out(cls, value: Any) -> Any:  # noqa: ANN401 - raw YAML
        """A known key without a value (``tags:``, ``~``) counts as left out; an unknown one stays unknown."""
        if not isinstance(value, dict):
            return value
        known = {info.alias or name for name, info in cls.model_fields.items()}
        return {key: item for key, item in value.items() if item is not None or key not in known}


class DockerSettings(_Model):
    """The Docker relay's daemon."""

    dockerhost: Text = Field("unix:///var/run/docker.sock", description="where the Docker daemon listens")
    api_version: Text = Field("", alias="api-version", description="API version; negotiated when left out")
    keep_images: Bool = Field(
        True, alias="keep-images", description="keep what was synced in the daemon's storage, as dregsy does"
    )

    @field_validator("dockerhost")
    @classmethod
    def _default_when_empty(cls, value: str) -> str:
        return value or str(cls.model_fields["dockerhost"].default)


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

    @field_validator("max_items", "cache_duration")
    @classmethod
    def _default_when_zero(cls, value: float, info: Any) -> Any:  # noqa: ANN401 - pydantic's own
        return value or cls.model_fields[info.field_name].default


class ListerConfig(_Model):
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

    model_config = ConfigDict(json_schema_extra={"required": ["registry"]})

    registry: Text = Field(
        "",
        description="host or host:port; a path behind it stands before 'from', or 'to'",
        json_schema_extra={"minLength": 1},
    )
    auth: Auth = Field(None, description="who signs in; none: nobody", repr=False)
    auth_refresh: Duration | None = Field(
        None, alias="auth-refresh", description="ECR only: how long a token is used, at least 1h"
    )
    skip_tls_verify: Bool = Field(False, alias="skip-tls-verify", description="accept any certificate, and plain HTTP")
    lister: ListerConfig | None = Field(None, description="for 'from: regex:…'")
    aws_profile: Text = Field("", alias="aws-profile", description="profile for this ECR registry")
    aws_role_arn: Text = Field("", alias="aws-role-arn", description="role assumed for this ECR registry")

    @field_validator("auth_refresh")
    @classmethod
    def _at_least_an_hour(cls, value: float | None) -> float | None:
        return None if value is None else max(value, 3600.0)

    @property
    def host(self) -> str:
        """The registry as references name it: without the account of a public ECR registry."""
        return self.registry.rpartition("@")[2]

    @property
    def credentials(self) -> Credentials | None:
        return self.auth if isinstance(self.auth, Credentials) else None

    @property
    def anonymous(self) -> bool:
        """True for ``auth: none``: no identity from anywhere."""
        return self.auth == "none"


class Mapping(_Model):
    """Which repositories and tags go where."""

    model_config = ConfigDict(json_schema_extra={"required": ["from"]})

    from_: Text = Field("", alias="from", description="source path, or regex:EXPRESSION")
    to: Text = Field("", description="target path, or regex:EXPRESSION,REPLACEMENT; the same as from when left out")
    tags: list[Annotated[Text, AfterValidator(_tag_item)]] = Field(
        default=[], description="tags, digests, semver:, regex: and keep: items; all tags when left out"
    )
    platform: PlatformText = Field(
        "", description="os/arch[/variant], a list of them, or all; the worker's own when left out"
    )
    immutable: Immutable = Field(
        False,
        description="true, or an expression for tags: what the target has under such a tag is not looked at again",
    )

    @cached_property
    def paths(self) -> PathMapping:
        return PathMapping.parse(self.from_, self.to)

    @cached_property
    def tag_set(self) -> TagSet:
        return TagSet.parse(self.tags)

    referrers: Bool = Field(
        False, description="copy what refers to an image along: signatures, SBOMs, attestations; needs relay 'direct'"
    )

    @cached_property
    def _immutable_tags(self) -> Matcher | None:
        return Matcher.parse(self.immutable) if isinstance(self.immutable, str) else None

    def is_immutable(self, tag: str) -> bool:
        """Whether `tag` never changes, by the user's word."""
        return self._immutable_tags.matches(tag) if self._immutable_tags else self.immutable is True

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


class SyncTask(_Model):
    """A source, a target, and what goes from one to the other."""

    model_config = ConfigDict(json_schema_extra={"required": ["name", "source", "target"]})

    name: Text = Field("", description="unique name", json_schema_extra={"minLength": 1})
    interval: Int = Field(0, description="seconds between runs, at least 30; 0: once")
    verbose: Bool = Field(False, description="the relay's output goes to the log")
    relay: OptionalRelay = Field(None, description="relay of this task; the global one when left out")
    priority: Int = Field(5, description="0 to 9; higher goes first", ge=0, le=9)
    drift_check: Duration = Field(
        0.0,
        alias="drift-check",
        description="how often each image is looked for at the target although its source has not changed; "
        "at every run when left out",
    )
    source: Location
    target: Location
    mappings: list[Mapping] = Field(default=[], description="what is synced")

    @field_validator("drift_check")
    @classmethod
    def _valid_drift_check(cls, value: float) -> float:
        if value < 0:
            raise ValueError("drift-check must not be negative; write for example 24h")
        return value

    @field_validator("interval")
    @classmethod
    def _valid_interval(cls, value: int) -> int:
        if value < 0:
            raise ValueError(f"interval is {value}: task interval needs to be 0 or a positive integer")
        if 0 < value < 30:
            raise ValueError(f"interval is {value} s: minimum task interval is 30 seconds")
        if value > LONGEST_INTERVAL:
            raise ValueError(f"interval is {value} s; the longest is {LONGEST_INTERVAL} seconds")
        return value


def _url(value: str) -> str:
    if "@" in value:
        raise ValueError("a URL with a login in it is not taken; logins go into 'auth' of the tasks")
    if not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", value):
        raise ValueError(f"'{value}' is not a URL; write http://host:port or https://host:port")
    return value.rstrip("/")


class RegistryLimits(_Model):
    """What all workers together may do with one registry, and how its API is reached."""

    max_concurrent: Int | None = Field(
        None, alias="max-concurrent", description="transfers at once that read from or write to it", ge=1
    )
    transfers: RateLimit | None = Field(None, description="transfers started per window, for example 100/6h")
    requests: RateLimit | None = Field(None, description="API requests, for example 20/s")
    reserve: Int | None = Field(None, description="hold back when fewer pulls are left by the registry's word", ge=0)
    ca: File | None = Field(None, description="CA certificates (PEM) for API requests")
    endpoint: Text | None = Field(None, description="base URL of its API, for example http://127.0.0.1:5000")

    bulk_digests: BoolOrText = Field(
        None,
        alias="bulk-digests",
        description="ask what many tags name in one request: false: never; true: also where it may be a cache; the URL "
        "of Docker Hub's own API",
    )

    @field_validator("endpoint")
    @classmethod
    def _valid_endpoint(cls, value: str | None) -> str | None:
        return _url(value) if value else None

    @field_validator("bulk_digests")
    @classmethod
    def _valid_bulk_digests(cls, value: bool | str | None) -> bool | str | None:
        return _url(value) if isinstance(value, str) and value else value


class Config(_Model):
    """A whole config file."""

    relay: Annotated[RelayName, BeforeValidator(lambda value: _relay(value) or "docker")] = Field(
        "docker", description="what copies the images"
    )
    docker: DockerSettings | None = Field(None)
    skopeo: SkopeoSettings = Field(default=SkopeoSettings())
    lister: ListerSettings = Field(default=ListerSettings())
    watch: Bool | None = Field(None, description="reload the file when it changes")
    dockerhost: Text = Field("", description="deprecated: docker.dockerhost")
    api_version: Text = Field("", alias="api-version", description="deprecated: docker.api-version")
    registries: dict[str, Annotated[RegistryLimits, BeforeValidator(_no_limits)]] = Field(
        default={}, description="limits per registry, by host[:port] as tasks name it; * stands for any text"
    )
    tasks: list[SyncTask] = Field(default=[], description="what is synced from where to where")

    @model_validator(mode="after")
    def _relay_of_each_task(self) -> Config:
        """A task without `relay` uses the file's, so its fingerprint changes with it."""
        self.__dict__["tasks"] = [
            task if task.relay else task.model_copy(update={"relay": self.relay}) for task in self.tasks
        ]
        return self

    @property
    def docker_settings(self) -> DockerSettings:
        """The Docker relay's settings, deprecated top-level keys included."""
        if self.docker is not None:
            return self.docker
        given = {"dockerhost": self.dockerhost, "api-version": self.api_version}
        return DockerSettings.model_validate({name: value for name, value in given.items() if value})
