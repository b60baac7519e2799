"""References: ``registry/repository:tag@digest``, with Docker's short forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

from dregsy_queue.oci.digest import Digest, is_digest
from dregsy_queue.oci.hosts import registry_key

#: OCI distribution-spec, "Pulling manifests": repository names.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


class Parts(NamedTuple):
    """The parts of a reference as they are written, "" for what is not there. Nothing is checked."""

    registry: str
    repository: str
    tag: str
    digest: str


def parts_of(text: str) -> Parts:
    """Cut ``registry/repository:tag@digest``, also if it is not one, as in a message that quotes ``host/regex:…``."""
    registry, _, path = text.partition("/")
    name, _, digest = path.partition("@")
    repository, _, tag = name.partition(":")
    return Parts(registry, repository, tag, digest)


def is_tag(text: str) -> bool:
    """True for a valid tag."""
    return _TAG.fullmatch(text) is not None


def is_repository(text: str) -> bool:
    """True for a valid repository name."""
    return len(text) <= 255 and _REPOSITORY.fullmatch(text) is not None


@dataclass(frozen=True)
class Reference:
    """An image in a registry; at least one of `tag` and `digest` where an image is meant."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference; one without registry is on Docker Hub, under ``library/`` when it has one part.

        Raises:
            ValueError: `text` is not a reference.
        """
        path, tag, digest = _cut(text)
        registry, slash, repository = path.partition("/")
        if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
            registry, repository = "docker.io", path
        repository = _with_library(registry, repository)
        if not is_repository(repository):
            raise ValueError(f"'{text}' is not an image reference: '{repository}' is not a repository name")
        return cls(registry, repository, tag, digest)

    @classmethod
    def parse_full(cls, text: str) -> Reference:
        """Undo `str`: the first part is the registry, whatever it looks like, and nothing is filled in.

        Raises:
            ValueError: `text` is not a reference.
        """
        path, tag, digest = _cut(text)
        registry, _, repository = path.partition("/")
        if not registry or not is_repository(repository):
            raise ValueError(f"'{text}' is not an image reference: '{repository}' is not a repository name")
        return cls(registry, repository, tag, digest)

    @property
    def name(self) -> str:
        """``registry/repository``."""
        return f"{self.registry}/{self.repository}"

    @property
    def short(self) -> str:
        """The tag, or the digest where there is no tag: what the registry's API calls a reference."""
        return self.tag or self.digest or ""

    def by_digest(self, digest: str) -> Reference:
        """This very content of the repository. Raises: ValueError when `digest` is not a digest."""
        return replace(self, tag=None, digest=Digest.parse(digest))

    def at(self, host: str) -> Reference:
        """The same image where the registry's API is at `host`: there, official images of Docker Hub need their whole
        name."""
        return replace(self, registry=host, repository=api_repository(self.registry, self.repository))

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _cut(text: str) -> tuple[str, str | None, Digest | None]:
    """Registry and repository, tag, digest. Raises: ValueError."""
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise ValueError(f"'{text}' is not an image reference: '{digest}' is not a digest")
    path, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        path, tag = rest, ""
    elif not is_tag(tag):
        raise ValueError(f"'{text}' is not an image reference: '{tag}' is not a tag")
    return path, tag or None, Digest(digest) if at else None


def _with_library(registry: str, repository: str) -> str:
    if registry_key(registry) == "docker.io" and repository and "/" not in repository:
        return f"library/{repository}"
    return repository


def api_repository(registry: str, repository: str) -> str:
    """`repository` as the registry's API calls it: official images of Docker Hub are under ``library/``."""
    return _with_library(registry, repository)
