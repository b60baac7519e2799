"""A registry's API, as far as planning and verification need it (OCI distribution-spec)."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Literal

from yarl import URL

from dregsy_queue.concurrency import parsed
from dregsy_queue.logs import log_fields
from dregsy_queue.oci.hosts import is_ecr
from dregsy_queue.oci.manifests import ACCEPT, Descriptor
from dregsy_queue.oci.reference import api_repository, is_tag
from dregsy_queue.registry import responses, scopes
from dregsy_queue.registry.blobs import Blobs, Upload
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.head_memory import HeadMemory, ProcessMemory
from dregsy_queue.registry.looks import Confirmed, Looks, described
from dregsy_queue.registry.pages import PageSizes, pages
from dregsy_queue.registry.referrers import Referrers
from dregsy_queue.registry.responses import Answer
from dregsy_queue.registry.transport import Request, Transport

log = logging.getLogger(__name__)

#: Names asked for per page; `_LESS` where a registry refuses so many tags, as ECR refuses more than 1,000, and some
#: registries more than 100 repositories. One less than these round numbers, so that a list which just has so many names
#: is not taken for a full page.
_PAGE, _LESS, _CATALOG_PAGE = 9_999, 999, 99
#: Biggest manifest read, in bytes; distribution-spec, "Pushing Manifests": registries should take at least 4 MiB.
_BIGGEST_MANIFEST = 8 * 1024 * 1024
_MANIFEST_HEADERS = {"Accept": ", ".join(ACCEPT)}


class RegistryClient:
    """One registry as seen by one identity. `repository` is without leading ``/`` everywhere."""

    def __init__(self, transport: Transport, memory: HeadMemory | None = None) -> None:
        """`memory`: which registries refuse HEADs, as far as others found out."""
        self._transport = transport
        self.registry = transport.registry
        self._looks = Looks(self.registry, self._manifest, memory or ProcessMemory())
        self._sizes = PageSizes(_LESS if is_ecr(self.registry) else _PAGE, _LESS)
        self.blobs = Blobs(transport)
        self.referrers = Referrers(transport, self.blobs)

    async def head(self, repository: str, reference: str) -> Descriptor | None:
        """What `reference` (a tag or a digest) names at a source; None when there is none. Costs one HEAD, which no
        registry counts as a pull; a GET where HEADs do not work (see `looks`).

        Raises:
            RegistryError: the registry does not tell.
        """
        return await self._looks.at_source(repository, reference)

    async def greet(self) -> None:
        """Learn now how to sign in to it, which the first request would do otherwise; nothing where nobody signs in.

        Raises: RegistryError.
        """
        if await self._transport.signs_in():
            await self._transport.greet()

    async def head_target(self, repository: str, reference: str) -> Descriptor | None:
        """What a target has under `reference`; None where it is not known to have it: then the push decides.

        Some registries answer 401 or 403 for a repository that the push would create. Raises: RegistryError for what is
        temporary, and for a login that is refused.
        """
        return await self._looks.at_target(repository, reference)

    async def confirm(self, repository: str, reference: str, wanted: str) -> Confirmed:
        """What a target has after `wanted` was pushed there.

        Raises: RegistryError for what may pass.
        """
        return await self._looks.confirm(repository, reference, wanted)

    async def is_page(self) -> bool:
        """Whether a web page is in the registry's place. Raises: RegistryError for what may pass."""
        try:
            return responses.is_page(await self._transport.request(Request("GET", "/v2/", "its API")))
        except RegistryError as error:
            if error.temporary:
                raise
            return False

    async def manifest(self, repository: str, reference: str) -> tuple[Descriptor, bytes]:
        """A manifest and its bytes; checked against the digest when `reference` is one. Counts as a pull.

        Raises:
            RegistryError: also when there is none, or when it is not what its digest says.
        """
        answer = await self._manifest("GET", repository, reference)
        if answer is None:
            raise RegistryError(
                f"{self.registry}: image {repository} {reference}: does not exist",
                kind="not-found",
                temporary=False,
                registry=self.registry,
            )
        found = answer
        return await parsed(found.body, lambda: described(self.registry, found, reference)), found.body

    async def tags(self, repository: str, see: Callable[[bytes], None] = lambda _: None) -> list[str]:
        """All tags of a repository, as the registry orders them. `see` gets each answer as it came.

        Raises: RegistryError.
        """
        return [tag async for page in self.tag_pages(repository, see) for tag in page]

    async def tag_pages(
        self, repository: str, see: Callable[[bytes], None] = lambda _: None
    ) -> AsyncGenerator[list[str], None]:
        """The same in pages, each of which is asked for when it is wanted. Raises: RegistryError."""
        name = api_repository(self.registry, repository)
        async for page in pages(
            self._transport,
            f"/v2/{name}/tags/list",
            "tags",
            sizes=self._sizes,
            scope=scopes.pull(name),
            what=f"tags of {repository}",
            see=see,
        ):
            good = [tag for tag in page if is_tag(tag)]
            if len(good) < len(page):
                log.warning(
                    "%d names in the list of tags are not valid tags and are left out",
                    len(page) - len(good),
                    extra=log_fields(registry=self.registry, repository=repository),
                )
            yield good

    async def catalog(self, limit: int | None) -> list[str]:
        """Names of all repositories, at most `limit` of them (None: all); a cut is logged. Raises: RegistryError."""
        names: list[str] = []
        listing = pages(
            self._transport,
            "/v2/_catalog",
            "repositories",
            sizes=PageSizes(_CATALOG_PAGE, _CATALOG_PAGE),
            scope="registry:catalog:*",
            what="list of repositories",
        )
        async for page in listing:
            names += page
            if limit is not None and len(names) > limit:
                log.warning(
                    "more than %d repositories: the list is cut there (lister.maxItems)",
                    limit,
                    extra=log_fields(registry=self.registry),
                )
                return names[:limit]
        return names

    async def get_json(self, path: str, *, what: str) -> object:
        """Any JSON that the registry offers at `path`. Raises: RegistryError."""
        answer = await self._transport.request(Request("GET", path, what))
        if answer.status != 200:
            raise responses.error(answer, self.registry, what)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            return None

    async def may_list(self, repository: str) -> None:
        """Ask for one tag of a repository, or for all where none can be had alone, as `tags` does.

        Raises: RegistryError: it cannot be listed.
        """
        name, what = api_repository(self.registry, repository), f"tags of {repository}"
        try:
            await self._ask("GET", f"/v2/{name}/tags/list?n=1", scopes.pull(name), 200, what=what)
        except RegistryError as error:
            if error.kind in ("auth", "rate-limited", "tls"):
                raise
            try:
                await self._ask("GET", f"/v2/{name}/tags/list", scopes.pull(name), 200, what=what)
            except RegistryError:
                raise error from None

    async def may_push(self, repository: str) -> None:
        """Open an upload and cancel it: nothing is left. Raises: RegistryError: nothing can be pushed.

        Source: OCI distribution-spec, "Pushing a blob in chunks".
        """
        name, what = api_repository(self.registry, repository), f"upload to {repository}"
        scope = scopes.push(name)
        opened = await self._ask("POST", f"/v2/{name}/blobs/uploads/", scope, 202, what=what)
        location = opened.headers.get("Location", "")
        if location:
            # By its path alone: what a registry behind a proxy calls itself may not be reachable from here.
            upload = URL(opened.url).join(URL(location, encoded=True))
            url = f"{URL(opened.url).origin()}{upload.raw_path_qs}"
            await self.blobs.cancel(Upload(repository, url))

    async def _ask(self, method: str, path: str, scope: str, good: int, *, what: str) -> Answer:
        answer = await self._transport.request(Request(method, path, what, scope))
        if answer.status != good:
            raise responses.error(answer, self.registry, what)
        return answer

    async def _manifest(
        self, method: Literal["GET", "HEAD"], repository: str, reference: str, *, once: bool = False
    ) -> Answer | None:
        name = api_repository(self.registry, repository)
        what = f"image {repository} {reference}"
        path = f"/v2/{name}/manifests/{reference}"
        request = Request(method, path, what, scopes.pull(name), _MANIFEST_HEADERS)
        answer = await self._transport.request(request, limit=_BIGGEST_MANIFEST, tries=1 if once else None)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise responses.error(answer, self.registry, what)
        return answer
