"""What refers to a manifest? Signatures, SBOMs, attestations: by the registry's API, or by a tag where it has none.

Source: OCI distribution-spec, "Listing Referrers" and "Referrers Tag Schema".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dregsy_queue.concurrency import parsed
from dregsy_queue.oci.digest import Digest, is_registered
from dregsy_queue.oci.manifests import OCI_INDEX
from dregsy_queue.oci.reference import api_repository
from dregsy_queue.registry import responses, scopes
from dregsy_queue.registry.blobs import Blobs
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.pages import next_link
from dregsy_queue.registry.responses import Answer
from dregsy_queue.registry.transport import Request, Transport

#: Most pages of one list, and most referrers of one manifest.
MOST_PAGES, MOST_REFERRERS = 1_000, 10_000
#: Biggest page or index, in bytes.
_BIGGEST = 8 * 1024 * 1024


@dataclass(frozen=True)
class Referrer:
    """One manifest that refers to another; `descriptor` is its entry in the list, as JSON."""

    digest: Digest
    media_type: str
    descriptor: str


class Referrers:
    """Lists of one registry, as seen by one identity."""

    def __init__(self, transport: Transport, blobs: Blobs) -> None:
        self._transport, self._blobs = transport, blobs
        self.registry = transport.registry

    async def of(self, repository: str, subject: str) -> list[Referrer]:
        """What refers to the manifest `subject` (a digest), each once. Costs a request per page; two where the
        registry has no such API, of which the second counts as a pull.

        Raises: RegistryError: it cannot be told now.
        """
        name = api_repository(self.registry, repository)
        found: dict[Digest, Referrer] = {}
        url: str | None = f"/v2/{name}/referrers/{subject}"
        asked: set[str] = set()
        while url is not None:
            if url in asked or len(asked) >= MOST_PAGES or len(found) > MOST_REFERRERS:
                raise self._endless(repository, subject)
            asked.add(url)
            try:
                answer = await self._ask(url, name, repository, subject)
                entries = await _entries(answer)
                if entries is None:
                    raise responses.error(answer, self.registry, _what(repository, subject))
            except RegistryError as error:
                # A registry that knows no such path may answer anything.
                if len(asked) > 1 or error.temporary or error.kind == "rate-limited":
                    raise
                return await self._by_tag(repository, subject)
            found.update((entry.digest, entry) for entry in entries)
            url = next_link(answer.headers, answer.url)
        return list(found.values())

    async def _by_tag(self, repository: str, subject: str) -> list[Referrer]:
        name = api_repository(self.registry, repository)
        answer = await self._ask(f"/v2/{name}/manifests/{tag_of(subject)}", name, repository, subject)
        if answer.status == 404:
            return []
        entries = await _entries(answer)
        if entries is None:
            raise responses.error(answer, self.registry, _what(repository, subject))
        return entries

    async def list_by_tag(self, repository: str, subject: str, added: Iterable[Referrer]) -> None:
        """Put referrers into the list of a registry without the API. Raises: RegistryError.

        Two who do so at once may lose one of their entries: the next run finds that it is missing.
        """
        listed = {entry.digest: entry for entry in (*await self._by_tag(repository, subject), *added)}
        answer = await self._blobs.put_manifest(repository, tag_of(subject), OCI_INDEX, index_of(listed.values()))
        if answer.status >= 300:
            raise responses.error(answer, self.registry, f"push of the {_what(repository, subject)}")

    async def _ask(self, url: str, name: str, repository: str, subject: str) -> Answer:
        request = Request("GET", url, _what(repository, subject), scopes.pull(name), {"Accept": OCI_INDEX})
        return await self._transport.request(request, limit=_BIGGEST)

    def _endless(self, repository: str, subject: str) -> RegistryError:
        text = f"{self.registry}: {_what(repository, subject)}: it does not end"
        return RegistryError(text, kind="invalid", temporary=False, registry=self.registry)


def tag_of(subject: str) -> str:
    """The tag under which registries without the API keep the list: at most 32 and 64 characters."""
    algorithm, _, encoded = subject.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def index_of(entries: Iterable[Referrer]) -> bytes:
    """An image index of these, in the order of their digests, so that the same list has the same digest."""
    manifests = [json.loads(entry.descriptor) for entry in sorted(entries, key=lambda entry: entry.digest)]
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}, separators=(",", ":")
    ).encode()


def _what(repository: str, subject: str) -> str:
    return f"list of what refers to {repository} {subject}"


async def _entries(answer: Answer) -> list[Referrer] | None:
    """None for an answer that is not an image index."""
    return await parsed(answer.body, lambda: _listed(answer.body)) if answer.status == 200 else None


def _listed(body: bytes) -> list[Referrer] | None:
    try:
        document: Any = json.loads(body)
        items = document["manifests"] or []
        return [_entry(item) for item in items if is_registered(str(item["digest"]))]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _entry(item: dict[str, Any]) -> Referrer:
    return Referrer(Digest(item["digest"]), str(item.get("mediaType") or ""), json.dumps(item, separators=(",", ":")))
