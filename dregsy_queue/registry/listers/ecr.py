"""The repositories of an ECR registry, and what their tags name, by AWS' API: ECR has no catalog."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dregsy_queue.concurrency import CLOUD_THREADS, SingleFlight, in_threads
from dregsy_queue.oci.manifests import Descriptor
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.listers.digests import TagDigests

if TYPE_CHECKING:
    from dregsy_queue.registry.credentials.ecr import EcrSource


@dataclass(frozen=True)
class EcrLister:
    source: EcrSource

    async def repositories(self, limit: int | None) -> list[str]:
        return await in_threads(CLOUD_THREADS, lambda: self.source.repositories(limit))


@dataclass(frozen=True)
class EcrDigests:
    """What tags name, up to a thousand per request, by ``DescribeImages``. Private registries alone.

    `may_be_cache`: a repository of a pull-through cache is refused, as only a HEAD makes ECR look at the upstream.
    """

    source: EcrSource
    may_be_cache: bool
    #: many repositories are looked at together, and the rules are those of the whole registry
    _rules: SingleFlight[str, list[str]] = field(default_factory=SingleFlight, compare=False, repr=False)

    async def digests(self, repository: str, wanted: Collection[str]) -> Mapping[str, Descriptor]:
        if self.may_be_cache:
            caches = await self._rules.run("", self._cache_prefixes, remember=False)
            if any(prefix == "ROOT" or f"{repository}/".startswith(f"{prefix}/") for prefix in caches):
                raise RegistryError(
                    f"{self.source.registry.host}: {repository} is a pull-through cache",
                    kind="not-found",
                    temporary=False,
                    registry=self.source.registry.host,
                )
        images = await in_threads(CLOUD_THREADS, lambda: self.source.images(repository))
        told = TagDigests()
        for image in sorted(images, key=lambda image: image.pushed, reverse=True):
            for tag in image.tags:
                told.add(tag, image.digest, image.media_type)
        return told.digests

    async def _cache_prefixes(self) -> list[str]:
        return await in_threads(CLOUD_THREADS, self.source.cache_prefixes)
