"""The repositories of a user of Docker Hub, and what their tags name, by Docker Hub's own API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dregsy_queue.oci.login import Credentials
from dregsy_queue.oci.manifests import Descriptor
from dregsy_queue.oci.reference import api_repository
from dregsy_queue.registry.credentials.source import CredentialsSource
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.http import aiohttp
from dregsy_queue.registry.listers.digests import TagDigests
from dregsy_queue.registry.listers.hub_api import HUB, PAGE, HubApi, error


@dataclass(frozen=True)
class DockerHubLister:
    """Lists what belongs to the user who signs in; entries that are not images are left out."""

    credentials: Credentials | None
    base: str = HUB

    async def repositories(self, limit: int | None) -> list[str]:
        if self.credentials is None:
            raise error("lister 'dockerhub' needs 'auth' with the user whose repositories are listed", "auth")
        api = HubApi(self.base)
        async with api.session() as session:
            authorization = await api.sign_in(session, self.credentials)
            names: list[str] = []
            user = quote(self.credentials.username, safe="")
            path = f"/v2/repositories/{user}/?page_size={PAGE}"
            async for entries in api.pages(session, path, "repositories", authorization):
                names += _images(entries)
                if limit is not None and len(names) >= limit:
                    break
        return names if limit is None else names[:limit]


def _images(entries: list[dict[str, Any]]) -> list[str]:
    return [
        f"{entry.get('namespace')}/{entry.get('name')}" for entry in entries if entry.get("repository_type") == "image"
    ]


@dataclass(frozen=True)
class DockerHubDigests:
    """What tags name, a hundred per request. `source`: whose login is used where the public does not see a repository.

    Source: Docker Hub API, "List repository tags". A tag's `digest` is that of its index where it has one, as a HEAD
    says; the digests under `images` are those of platforms. Old tags have none, and are left out.
    """

    source: CredentialsSource
    base: str = HUB

    async def digests(self, repository: str, wanted: Collection[str]) -> Mapping[str, Descriptor]:
        name = api_repository("docker.io", repository)
        api = HubApi(self.base)
        async with api.session() as session:
            try:
                return await self._read(api, session, name, wanted, "")
            except RegistryError as problem:
                credentials = await self.source.credentials(name)
                if problem.kind not in ("auth", "not-found") or credentials is None or not credentials.password:
                    raise
            return await self._read(api, session, name, wanted, await api.sign_in(session, credentials))

    async def _read(
        self, api: HubApi, session: aiohttp.ClientSession, name: str, wanted: Collection[str], authorization: str
    ) -> Mapping[str, Descriptor]:
        """Pages while these are few beside what is wanted and not told yet: where a repository has many more tags than
        a mapping selects, HEADs are cheaper."""
        namespace, _, repository = name.partition("/")
        path = f"/v2/namespaces/{quote(namespace)}/repositories/{quote(repository)}/tags?page_size={PAGE}"
        told, left, pages = TagDigests(), set(wanted), 0
        async for entries in api.pages(session, path, "tags", authorization):
            for entry in entries:
                told.add(entry.get("name"), entry.get("digest"), entry.get("media_type"))
                left.discard(str(entry.get("name")))
            pages += 1
            if 2 * pages >= len(left):
                break
        return told.digests
