"""What does a registry have under a name? A HEAD asks first, as no registry counts it, and is not the last word.

=====================  =====================================  ====================================================
answer to the HEAD     of a source                            of a target
=====================  =====================================  ====================================================
200, and it tells all  believed                               believed
404                    GET decides                            not there: the push decides
429                    error: all wait                        error: all wait
any other              GET decides                            GET decides; where it is refused, too, the push does
=====================  =====================================  ====================================================

After a push a HEAD that does not show what was pushed is not believed either: `confirm`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Literal, Protocol

from dregsy_queue.concurrency import parsed
from dregsy_queue.logs import log_fields
from dregsy_queue.oci.digest import Digest, is_digest, is_registered
from dregsy_queue.oci.manifests import ACCEPT, Descriptor, digest_of, has_digest, is_manifest, media_type_of
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.head_memory import DAY, WHILE, HeadMemory
from dregsy_queue.registry.responses import Answer, quoted

log = logging.getLogger(__name__)


#: What a target has, or ``missing``; ``unknown``: it lets nobody look; ``page``: who looks sees a web page, or
#: something else that is no manifest.
Confirmed = Digest | Literal["missing", "unknown", "page"]


class Ask(Protocol):
    """Asks for a manifest; None: there is none. `once`: without another try. Raises: RegistryError."""

    def __call__(
        self, method: Literal["GET", "HEAD"], repository: str, reference: str, *, once: bool = False
    ) -> Awaitable[Answer | None]: ...


class Looks:
    """Looks at one registry. `memory`: which registries refuse HEADs, as far as others found out."""

    def __init__(self, registry: str, ask: Ask, memory: HeadMemory) -> None:
        self._registry = registry
        self._ask = ask
        self._memory = memory

    async def at_source(self, repository: str, reference: str) -> Descriptor | None:
        """Raises: RegistryError: the registry does not tell; in the words of its answer to the GET."""
        refused = await self._memory.is_refused(self._registry)
        answer, problem = (None, None) if refused else await self._by_head(repository, reference)
        told = _descriptor(answer) if answer else None
        if told is not None and _is_telling(told):
            return told
        found = await self._ask("GET", repository, reference, once=_may_pass(problem))
        if found is None:
            return None
        return await self._in_place_of_head(found, reference, problem, learn=told is None and not refused)

    async def at_target(self, repository: str, reference: str) -> Descriptor | None:
        """None where the target is not known to have it. Raises: RegistryError for what may pass, and for a login that
        is refused."""
        refused = await self._memory.is_refused(self._registry)
        answer, problem = (None, None) if refused else await self._by_head(repository, reference)
        if not refused and problem is None:
            if answer is None:
                return None
            if is_digest(answer.headers.get("Docker-Content-Digest", "")):
                return _descriptor(answer)
        try:
            found = await self._ask("GET", repository, reference, once=_may_pass(problem))
        except RegistryError as error:
            if error.temporary or error.kind in ("auth", "tls", "rate-limited"):
                raise
            return None
        if found is None or not is_manifest(found.body):
            return None
        return await self._in_place_of_head(found, reference, problem, learn=not refused)

    async def confirm(self, repository: str, reference: str, wanted: str) -> Confirmed:
        """What the target has after `wanted` was pushed there.

        Raises: RegistryError for what may pass.
        """
        refused = await self._memory.is_refused(self._registry)
        answer, _ = (None, None) if refused else await self._by_head(repository, reference)
        if answer is not None and answer.headers.get("Docker-Content-Digest", "") == wanted:
            return Digest(wanted)
        try:
            found = await self._ask("GET", repository, reference)
        except RegistryError as error:
            if error.temporary or error.kind in ("tls", "rate-limited"):
                raise
            return "unknown"
        if found is None:
            return "missing"
        await self._memory.pulled(self._registry)
        if not is_manifest(found.body):
            return "page"
        seen = digest_of(found.body)
        if is_registered(wanted) and has_digest(found.body, Digest(wanted)):
            seen = Digest(wanted)
            if not refused:
                await self._remember(DAY)
        return seen

    async def _by_head(self, repository: str, reference: str) -> tuple[Answer | None, RegistryError | None]:
        """The answer to a HEAD (None: there is no such manifest), or an error that decides nothing.

        Raises: RegistryError for what a GET would meet, too.
        """
        try:
            return await self._ask("HEAD", repository, reference), None
        except RegistryError as error:
            if error.kind in ("tls", "rate-limited"):
                raise
            return None, error

    async def _in_place_of_head(
        self, found: Answer, reference: str, problem: RegistryError | None, *, learn: bool
    ) -> Descriptor:
        """What a GET has `found`; `problem`: of the HEAD before; `learn`: HEADs of this registry do not work.

        Raises: RegistryError: that is no manifest.
        """
        await self._memory.pulled(self._registry)
        if learn:
            await self._remember(_bounded(WHILE if _may_pass(problem) else DAY, found))
        return await parsed(found.body, lambda: described(self._registry, found, reference))

    async def _remember(self, seconds: float) -> None:
        log.info("HEAD of manifests does not work there: GET is used", extra=log_fields(registry=self._registry))
        await self._memory.remember(self._registry, seconds)


def _may_pass(problem: RegistryError | None) -> bool:
    return problem is not None and problem.temporary


def _bounded(seconds: float, found: Answer) -> float:
    """A registry that counts pulls is asked by HEAD again soon."""
    return min(seconds, WHILE) if "ratelimit-remaining" in found.headers else seconds


def described(registry: str, answer: Answer, reference: str) -> Descriptor:
    """What a manifest that was read whole is. Raises: RegistryError when it is none, or not what `reference` says."""
    if is_registered(reference) and not has_digest(answer.body, Digest(reference)):
        raise RegistryError(
            f"{registry}: the registry sent something else ({Digest.of(answer.body)}) than {reference}",
            kind="invalid",
            temporary=False,
            registry=registry,
        )
    if not is_manifest(answer.body):
        raise RegistryError(
            f"{registry}: the registry sent no manifest for {reference}{quoted(answer.body)}",
            kind="invalid",
            temporary=False,
            registry=registry,
        )
    return Descriptor(digest_of(answer.body), media_type_of(answer.body, _media_type(answer)))


def _descriptor(answer: Answer) -> Descriptor:
    """What the headers of an answer say; with an empty digest where they say none."""
    return Descriptor(Digest(answer.headers.get("Docker-Content-Digest", "")), _media_type(answer))


def _is_telling(found: Descriptor) -> bool:
    """Whether headers alone say enough: a SHA-256 digest, and a type of manifest that we know.

    Another algorithm names the same manifest otherwise than targets do; an odd type may hide an index.
    """
    return is_registered(found.digest) and found.digest.algorithm == "sha256" and found.media_type in ACCEPT


def _media_type(answer: Answer) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
