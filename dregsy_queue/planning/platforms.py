"""What of an index is wanted: the manifest of one platform, or the index of some?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from dregsy_queue.concurrency import SingleFlight, parsed
from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.manifests import is_index, parse_index
from dregsy_queue.oci.platform import Platform, choose, host_platform
from dregsy_queue.oci.subset import NoneOfThemError, parse_platforms, subset
from dregsy_queue.registry.client import RegistryClient
from dregsy_queue.registry.errors import RegistryError

#: Indexes in indexes are followed so deep.
_NESTED = 4


class Platforms:
    """Reads the indexes of a source; the same index under many tags once."""

    def __init__(self, source: RegistryClient) -> None:
        self._source = source
        self._children = SingleFlight[tuple[str, str, str], Digest]()

    async def child(self, repository: str, index: Digest, platform: str, *, name: str) -> Digest:
        """The digest of the manifest for `platform`, or of the index of several; as configured: "" is this machine's
        own. Costs GETs: pulls.

        Raises: RegistryError, which calls the image `name`.
        """
        wanted = parse_platforms(platform) or [host_platform()]

        async def look() -> Digest:
            if len(wanted) > 1:
                return await self._subset(repository, index, wanted, name)
            return await _Search(self._source, repository, wanted[0], name).run(index)

        return await self._children.run((repository, index, platform), look)

    async def _subset(self, repository: str, index: Digest, platforms: Sequence[Platform], name: str) -> Digest:
        read, body = await self._source.manifest(repository, index)
        if not is_index(read.media_type):
            # Its registry called an image an index.
            return index
        try:
            return await parsed(body, lambda: Digest.of(subset(body, platforms)))
        except NoneOfThemError as error:
            raise _absent(self._source, name, platforms, error.has) from None
        except ValueError as error:
            raise _error(self._source, f"{name}: {error}", "invalid") from None


class _Search:
    def __init__(self, source: RegistryClient, repository: str, platform: Platform, name: str) -> None:
        self._source = source
        self._repository = repository
        self._platform = platform
        self._name = name
        self._met: set[str] = set()

    async def run(self, index: Digest) -> Digest:
        chosen = await self._in_index(index, _NESTED)
        if chosen is None:
            raise _absent(self._source, self._name, [self._platform], self._met)
        return chosen

    async def _in_index(self, index: Digest, depth: int) -> Digest | None:
        """The manifest in an index, or in one of the indexes in it; None when there is none.

        Source: OCI image-spec, image-index.md: entries may be indexes themselves.
        """
        read, body = await self._source.manifest(self._repository, index)
        if not is_index(read.media_type):
            # Its registry called an image an index.
            return index
        try:
            entries = await parsed(body, lambda: parse_index(body))
        except ValueError as error:
            raise _error(self._source, f"{self._name}: {error}", "invalid") from None
        self._met.update(str(entry.platform) for entry in entries if entry.platform)
        chosen = choose(entries, self._platform)
        if chosen is not None and not is_index(chosen.media_type):
            return chosen.digest
        nested = [chosen] if chosen is not None else []
        nested += [entry for entry in entries if is_index(entry.media_type) and entry is not chosen]
        for entry in nested if depth else []:
            if entry.platform is None or entry is chosen:
                found = await self._in_index(entry.digest, depth - 1)
                if found is not None:
                    return found
        return None


def _absent(source: RegistryClient, name: str, wanted: Iterable[Platform], has: Iterable[str]) -> RegistryError:
    text = f"{name} has no image for {' and '.join(map(str, wanted))}; it has {_some(has)}"
    return _error(source, text, "not-found")


def _error(source: RegistryClient, text: str, kind: Literal["invalid", "not-found"]) -> RegistryError:
    return RegistryError(text, kind=kind, temporary=False, registry=source.registry)


def _some(platforms: Iterable[str]) -> str:
    """Names of platforms for a message: what a registry sent, so bounded and printable."""
    names = sorted(platforms)
    shown = ["".join(char if char.isprintable() else "?" for char in name)[:40] for name in names[:20]]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "") or "none"
