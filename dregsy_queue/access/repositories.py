"""The repositories of a task's source, listed as its config says, and shared by all workers for a while."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.access.identity import choose_source, ecr_api
from dregsy_queue.config.load import fingerprint
from dregsy_queue.config.models import Config, Location, SyncTask
from dregsy_queue.logs import log_fields
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.oci.reference import is_repository
from dregsy_queue.registry.listers import Lister
from dregsy_queue.registry.listers.catalog import CatalogLister
from dregsy_queue.registry.listers.dockerhub import DockerHubLister
from dregsy_queue.registry.listers.ecr import EcrLister
from dregsy_queue.registry.listers.index import IndexLister

log = logging.getLogger(__name__)

#: Docker Hub's index has a host of its own.
_HUB_INDEX = "https://index.docker.io"


class Lists(Protocol):
    """Keeps lists by name; may block."""

    def get(self, name: str) -> list[str] | None: ...
    def put(self, name: str, names: list[str], seconds: float) -> None: ...


class ListsInMemory:
    """For one call, which ends before a list does."""

    def __init__(self) -> None:
        self._lists: dict[str, list[str]] = {}

    def get(self, name: str) -> list[str] | None:
        return self._lists.get(name)

    def put(self, name: str, names: list[str], _: float) -> None:
        self._lists[name] = names


async def list_repositories(config: Config, task: SyncTask, access: RegistryAccess, lists: Lists) -> list[str]:
    """All names, without leading ``/``. Raises: RegistryError."""
    settings, location = config.lister, task.source
    limit = None if settings.max_items < 0 else settings.max_items or 100
    lister = location.lister
    who = await _identity(location)
    name = fingerprint(location.host, lister.model_dump() if lister else "", who, limit or -1)
    found = await asyncio.to_thread(lists.get, name)
    if found is None:
        found = _good(await choose(location, access).repositories(limit), location.host)
        await asyncio.to_thread(lists.put, name, found, settings.cache_duration or 3600)
    return found


async def _identity(location: Location) -> str:
    """Who asks, as text without a secret: users see different lists, and the logins of machines may differ."""
    source = choose_source(location)
    credentials = await source.credentials()
    return f"{source!r} {credentials.username if credentials else ''}"


def _good(names: list[str], host: str) -> list[str]:
    """`names` without those that are not valid: they must not get into URLs and command lines."""
    good = [name for name in names if is_repository(name)]
    if len(good) < len(names):
        log.warning(
            "%d entries in the list of repositories are not valid names and are left out",
            len(names) - len(good),
            extra=log_fields(registry=host),
        )
    return good


def choose(location: Location, access: RegistryAccess) -> Lister:
    """The lister of a source; a new kind is one line here."""
    kind = location.lister.type if location.lister else "catalog"
    if kind == "dockerhub":
        return DockerHubLister(location.credentials)
    if kind == "index":
        assert location.lister
        endpoint = _HUB_INDEX if registry_key(location.host) == "docker.io" else None
        return IndexLister(access.client(location, endpoint), location.lister.search)
    aws = ecr_api(location)
    if aws is not None:
        return EcrLister(aws)
    return CatalogLister(access.client(location))
