"""References: ``registry/repository:tag@digest``, with Docker's short forms."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dregsy_queue.oci.hosts import registry_key

#: OCI distribution-spec, "Pulling manifests": repository names.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")


def is_digest(text: str) -> bool:
    """True for a valid digest of any algorithm."""
    return _DIGEST.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """True for a valid repository name."""
    return len(text) <= 255 and _REPOSITORY.fullmatch(text) is not None


@dataclass(frozen=True)
class Reference:
    """An image in a registry; at least one of `tag` and `digest` where an image is meant."""

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference; one without registry is on Docker Hub, under ``library/`` when it has one part.

        Raises:
            ValueError: it is no reference.
        """
        rest, at, digest = text.partition("@")
        if at and not is_digest(digest):
            raise ValueError(f"'{text}' is not an image reference: '{digest}' is no digest")
        path, colon, tag = rest.rpartition(":")
        if not colon or "/" in tag:
            path, tag = rest, ""
        elif not _TAG.fullmatch(tag):
            raise ValueError(f"'{text}' is not an image reference: '{tag}' is no tag")
        registry, slash, repository = path.partition("/")
        if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
            registry, repository = "docker.io", path
        repository = _with_library(registry, repository)
        if not is_repository(repository):
            raise ValueError(f"'{text}' is not an image reference: '{repository}' is no repository name")
        return cls(registry, repository, tag or None, digest or None)

    def canonical(self) -> Reference:
        """The same image under its one full name: Docker Hub by ``docker.io``, tag ``latest`` when none is given."""
        tag = self.tag or (None if self.digest else "latest")
        return Reference(registry_key(self.registry), self.repository, tag, self.digest)

    def __str__(self) -> str:
        text = f"{self.registry}/{self.repository}"
        return text + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _with_library(registry: str, repository: str) -> str:
    if registry_key(registry) == "docker.io" and repository and "/" not in repository:
        return f"library/{repository}"
    return repository


def api_repository(registry: str, repository: str) -> str:
    """`repository` as the registry's API calls it: official images of Docker Hub are under ``library/``."""
    return _with_library(registry, repository)
