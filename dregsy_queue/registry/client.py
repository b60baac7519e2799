"""A registry's API, as far as planning and verification need it (OCI distribution-spec)."""

from __future__ import annotations

import json
import logging

from yarl import URL

from dregsy_queue.logs import fields
from dregsy_queue.oci.digest import Digest, is_digest, is_registered
from dregsy_queue.oci.manifests import ACCEPT, Descriptor, media_type_of
from dregsy_queue.oci.reference import api_repository, is_tag
from dregsy_queue.registry import responses
from dregsy_queue.registry.blobs import Blobs
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.head_memory import HeadMemory, ProcessMemory
from dregsy_queue.registry.pages import pages
from dregsy_queue.registry.responses import Answer
from dregsy_queue.registry.transport import Transport

log = logging.getLogger(__name__)

#: Names asked for per page: ECR refuses more than 1,000 tags, some registries more than 100 repositories. One less than
#: these round numbers, so that a list which just has so many names is not taken for a full page.
PAGE, CATALOG_PAGE = 999, 99
#: Biggest manifest read, in bytes; distribution-spec, "Pushing Manifests": registries should take at least 4 MiB.
_BIGGEST_MANIFEST = 8 * 1024 * 1024
_MANIFEST_HEADERS = {"Accept": ", ".join(ACCEPT)}


class RegistryClient:
    """One registry as seen by one identity. `repository` is without leading ``/`` everywhere."""

    def __init__(self, transport: Transport, memory: HeadMemory | None = None) -> None:
        """`memory`: which registries refuse HEADs, as far as others found out."""
        self._transport = transport
        self._memory = memory or ProcessMemory()
        self.registry = transport.registry
        self.blobs = Blobs(transport)

    async def head(self, repository: str, reference: str) -> Descriptor | None:
        """What `reference` (a tag or a digest) names at a source; None when there is none. Costs one HEAD, which no
        registry counts as a pull.

        A HEAD that is not answered by 200 is no verdict: some registries refuse every HEAD, or answer 404 to it. The
        manifest is asked for then, which counts as a pull; a registry whose HEADs do not work is remembered.

        Raises:
            RegistryError: the registry does not tell; in the words of its answer to the GET.
        """
        refused = self._memory.is_refused(self.registry)
        told = None if refused else await self._by_head(repository, reference)
        if told is not None and _is_telling(told):
            return told
        answer = await self._manifest("GET", repository, reference)
        if answer is None:
            return None
        if told is None and not refused:
            log.info("HEAD of manifests does not work there: GET is used", extra=fields(registry=self.registry))
            await self._memory.remember(self.registry)
        return self._described(answer, reference)

    async def head_target(self, repository: str, reference: str) -> Descriptor | None:
        """What a target has under `reference`; None where it is not known to have it: then the push decides.

        Some registries answer 401 or 403 for a repository that the push would create. Raises: RegistryError for what is
        temporary, and for a login that is refused.
        """
        if not self._memory.is_refused(self.registry):
            try:
                answer = await self._manifest("HEAD", repository, reference)
            except RegistryError as error:
                if error.temporary or error.kind in ("auth", "tls", "rate-limited"):
                    raise
            else:
                if answer is None or is_digest(answer.headers.get("Docker-Content-Digest", "")):
                    return None if answer is None else _descriptor(answer)
        try:
            answer = await self._manifest("GET", repository, reference)
        except RegistryError as error:
            if error.temporary or error.kind in ("auth", "tls", "rate-limited"):
                raise
            return None
        if answer is None:
            return None
        await self._memory.remember(self.registry)
        return self._described(answer, reference)

    async def _by_head(self, repository: str, reference: str) -> Descriptor | None:
        """What a HEAD tells; None where it tells nothing."""
        try:
            answer = await self._manifest("HEAD", repository, reference)
        except RegistryError as error:
            if error.temporary or error.kind in ("tls", "rate-limited"):
                raise
            return None
        return None if answer is None else _descriptor(answer)

    def _described(self, answer: Answer, reference: str) -> Descriptor:
        """What a manifest that was read whole is. Raises: RegistryError when it is not what `reference` says."""
        if is_registered(reference) and not Digest(reference).names(answer.body):
            raise RegistryError(
                f"{self.registry}: the registry sent something else ({Digest.of(answer.body)}) than {reference}",
                kind="invalid",
                temporary=True,
                registry=self.registry,
            )
        return Descriptor(Digest.of(answer.body), media_type_of(answer.body, _media_type(answer)))

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
        return self._described(answer, reference), answer.body

    async def tags(self, repository: str) -> list[str]:
        """All tags of a repository, as the registry orders them. Raises: RegistryError."""
        name = api_repository(self.registry, repository)
        tags: list[str] = []
        async for page in pages(
            self._transport,
            f"/v2/{name}/tags/list",
            "tags",
            size=PAGE,
            scope=_pull(name),
            what=f"tags of {repository}",
        ):
            good = [tag for tag in page if is_tag(tag)]
            if len(good) < len(page):
                log.warning(
                    "%d names in the list of tags are no tags and are left out",
                    len(page) - len(good),
                    extra=fields(registry=self.registry, repository=repository),
                )
            tags += good
        return tags

    async def catalog(self, limit: int | None) -> list[str]:
        """Names of all repositories, at most `limit` of them (None: all); a cut is logged. Raises: RegistryError."""
        names: list[str] = []
        listing = pages(
            self._transport,
            "/v2/_catalog",
            "repositories",
            size=CATALOG_PAGE,
            scope="registry:catalog:*",
            what="list of repositories",
        )
        async for page in listing:
            names += page
            if limit is not None and len(names) > limit:
                log.warning(
                    "more than %d repositories: the list is cut there (lister.maxItems)",
                    limit,
                    extra=fields(registry=self.registry),
                )
                return names[:limit]
        return names

    async def get_json(self, path: str, *, what: str) -> object:
        """Any JSON that the registry offers at `path`. Raises: RegistryError."""
        answer = await self._transport.request("GET", path, what=what)
        if answer.status != 200:
            raise responses.error(answer, self.registry, what)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            return None

    async def may_list(self, repository: str) -> None:
        """Ask for one tag of a repository. Raises: RegistryError: it cannot be listed."""
        name = api_repository(self.registry, repository)
        await self._ask("GET", f"/v2/{name}/tags/list?n=1", _pull(name), 200, what=f"tags of {repository}")

    async def may_push(self, repository: str) -> None:
        """Open an upload and cancel it: nothing is left. Raises: RegistryError: nothing can be pushed.

        Source: OCI distribution-spec, "Pushing a blob in chunks"; a registry that knows no cancelling lets it expire.
        """
        name, what = api_repository(self.registry, repository), f"upload to {repository}"
        scope = f"repository:{name}:pull,push"
        opened = await self._ask("POST", f"/v2/{name}/blobs/uploads/", scope, 202, what=what)
        location = opened.headers.get("Location", "")
        if location:
            # By its path alone: what a registry behind a proxy calls itself may not be reachable from here.
            upload = URL(opened.url).join(URL(location, encoded=True))
            url = f"{URL(opened.url).origin()}{upload.raw_path_qs}"
            await self._transport.request("DELETE", url, what=what, scope=scope)

    async def _ask(self, method: str, path: str, scope: str, good: int, *, what: str) -> Answer:
        answer = await self._transport.request(method, path, what=what, scope=scope)
        if answer.status != good:
            raise responses.error(answer, self.registry, what)
        return answer

    async def _manifest(self, method: str, repository: str, reference: str) -> Answer | None:
        name = api_repository(self.registry, repository)
        what = f"image {repository} {reference}"
        answer = await self._transport.request(
            method,
            f"/v2/{name}/manifests/{reference}",
            what=what,
            scope=_pull(name),
            headers=_MANIFEST_HEADERS,
            limit=_BIGGEST_MANIFEST,
        )
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise responses.error(answer, self.registry, what)
        return answer


def _descriptor(answer: Answer) -> Descriptor:
    """What the headers of an answer say; with an empty digest where they say none."""
    return Descriptor(Digest(answer.headers.get("Docker-Content-Digest", "")), _media_type(answer))


def _is_telling(found: Descriptor) -> bool:
    """Whether headers alone say enough: a SHA-256 digest, and a type of manifest that we know.

    Another algorithm names the same manifest otherwise than targets do; an odd type may hide an index.
    """
    return is_registered(found.digest) and found.digest.algorithm == "sha256" and found.media_type in ACCEPT


def _pull(repository: str) -> str:
    return f"repository:{repository}:pull"


def _media_type(answer: Answer) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip()
