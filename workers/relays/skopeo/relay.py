"""The skopeo relay: one `skopeo copy` per image, by digest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dregsy_queue import redact
from dregsy_queue.child_process import may_start_later
from dregsy_queue.config.models import Config
from dregsy_queue.logs import log_fields
from dregsy_queue.oci.manifests import SCHEMA_1
from dregsy_queue.oci.reference import Reference
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.settings import Settings
from workers.relays.direct.relay import DirectRelay
from workers.relays.relay import Access, Copy, CopyResult, RelayError, RelayProblem
from workers.relays.skopeo import output, process
from workers.relays.skopeo.auth_file import auth_file
from workers.relays.skopeo.gate import Gate
from workers.relays.skopeo.mounts import Mounter
from workers.relays.stalls import StalledError

log = logging.getLogger(__name__)

#: What containers/image says of what skopeo cannot copy at all: indexes in indexes, layers of zstd in an index, digests
#: of other algorithms, targets that do not say which blobs they have, or that take blobs only in chunks; addresses by
#: IPv6, and names of 255 characters that are longer with their host.
_BEYOND_SKOPEO = re.compile(
    r"manifest list instead of a manifest|preserve digests|would invalidate|no image found in"
    r"|unsupported (?:digest|schema|manifest)|does not match provided manifest digest|trying to reuse blob"
    r"|uploading layer.*(?:too large|\b413\b)|invalid reference format|must not be longer",
    re.IGNORECASE,
)
#: A target that does not take this kind of manifest: the registry's error code as containers/image shows it, and what
#: the direct relay says of a push.
_KIND_REFUSED = re.compile(
    r"uploading manifest .*: (?:manifest invalid:|unsupported:|.*\b415\b)"
    r"|push of .*: it (?:takes no images of this kind|refuses what was sent) \(HTTP 4"
)
#: What distribution says of a manifest while another upload touches one of its blobs in the same repository, and how
#: many seconds that takes.
_TOUCHED = re.compile(r"blob unknown|digest invalid", re.IGNORECASE)
_MOMENT = 0.1, 0.5
#: Errors that pass, and errors of the network: another relay would not do better now.
_PASSING = re.compile(
    r"connection re(?:fused|set)|time(?:d )?out|no such host|\bEOF\b|broken pipe|deadline|handshake|\b50[02347]\b"
    r"|unavailable|internal server error|bad gateway|unreachable|blob unknown|digest invalid|ended by signal",
    re.IGNORECASE,
)


def make(config: Config, settings: Settings) -> SkopeoRelay:
    return SkopeoRelay(config.skopeo.binary, settings.stalled)


@dataclass(frozen=True)
class SkopeoRelay:
    #: program, looked up on PATH unless it is a path
    binary: str = "skopeo"
    #: seconds without a byte moved after which it is ended
    stalled_after: float = 600
    kind: str = "skopeo"
    #: targets of which the log has told that images are changed for them
    _told: set[str] = field(default_factory=set, compare=False, repr=False)
    gate: Gate = field(default_factory=Gate, compare=False, repr=False)
    mounter: Mounter = field(default_factory=Mounter, compare=False, repr=False)

    async def problem(self) -> str | None:
        try:
            ended = await process.run([self.binary, "--version"], environment=_environment(), stalled_after=30)
        except (OSError, StalledError) as error:
            return _missing(self.binary, error)
        return None if ended.returncode == 0 else f"'{self.binary} --version' fails: {ended.output.strip()}"

    async def copy(self, copy: Copy) -> CopyResult:
        await self.mounter.mount(copy)
        try:
            copied = await self._by_skopeo_or_again(copy)
            self._tell_others(copy, copied)
            return copied
        except RelayError as error:
            if not _others_may(error) and not (copy.distrusts and _is_touched(error)):
                return await self._changed(copy, error)
            try:
                return await self._directly(copy, error)
            except RegistryError as refusal:
                if not _BEYOND_SKOPEO.search(str(error)):
                    raise
                return await self._changed(copy, refusal)

    async def _by_skopeo_or_again(self, copy: Copy) -> CopyResult:
        try:
            return await self._by_skopeo(copy)
        except RelayError as error:
            if not _is_touched(error):
                raise
            # All blobs are there by now, so this costs skopeo a look at each.
            log.debug("once more: %s", error, extra=log_fields(target=str(copy.target)))
            await asyncio.sleep(random.uniform(*_MOMENT))  # noqa: S311 - spreads load
            return await self._by_skopeo(copy)

    def _tell_others(self, copy: Copy, copied: CopyResult) -> None:
        """Let all workers know which blobs the target has now."""
        blobs = output.blobs(copied.output)
        if copy.others is None or not blobs:
            return
        self.mounter.learn(copy.target_access.client.blobs, copy.target.repository, blobs)
        copy.others.note(copy.target_access.client.registry, copy.target.repository, blobs)
        # Of a long output only the end is kept.
        if copy.source.digest and len(copied.output) < process.KEPT_OUTPUT:
            copy.others.note_image(copy.source.digest, blobs)

    async def _changed(self, copy: Copy, error: RelayError | RegistryError) -> CopyResult:
        """Copy as dregsy does: skopeo makes another kind of manifest of one that the target does not take.

        Raises: `error`, where it says something else, or where that does not help.
        """
        if not _is_of_kind(error):
            raise error
        try:
            read, _ = await copy.source_access.client.manifest(copy.source.repository, copy.source.short)
            # Of the first schema skopeo makes the second only when it is told to.
            form = ["--format=v2s2"] if read.media_type in SCHEMA_1 else []
            copied = await self._by_skopeo(copy, form)
        except (RelayError, RegistryError) as again:
            log.debug("nor can skopeo change it: %s", again, extra=log_fields(target=str(copy.target)))
            raise error from None
        registry = copy.target.registry
        level = logging.DEBUG if registry in self._told else logging.WARNING
        self._told.add(registry)
        text = "the target does not take this kind of manifest, so skopeo made another of it, with another digest: %s"
        log.log(level, text, error, extra=log_fields(target=str(copy.target)))
        return copied

    async def _by_skopeo(self, copy: Copy, change: Sequence[str] | None = None) -> CopyResult:
        """`change`: options for an image that skopeo may change; None: it stays what it is."""
        try:
            ended, made = await self._call(copy, change)
        except OSError as error:
            kind: RelayProblem = "away" if may_start_later(error) else "missing"
            raise RelayError(_missing(self.binary, error), kind) from None
        except StalledError as error:
            raise RelayError(f"skopeo: {error}", "stalled") from None
        text = redact.scrub(ended.output)
        if ended.returncode != 0:
            raise output.error(text, ended.returncode, names=(copy.source, copy.target))
        return CopyResult(text, made or None, sent=ended.relayed)

    async def _call(self, copy: Copy, change: Sequence[str] | None) -> tuple[process.Ended, str]:
        """How skopeo ended, and the digest that it made; "" for none. Raises: OSError or StalledError."""
        with contextlib.ExitStack() as files:
            descriptors: list[int] = []
            arguments = [self.binary, "--insecure-policy", "copy"]
            digest = None
            if change is None:
                arguments.append("--preserve-digests")
            else:
                digest = files.enter_context(_memory_file("digest"))
                descriptors.append(digest)
                arguments += [*change, f"--digestfile=/proc/self/fd/{digest}"]
            arguments += ["--retry-times", "0"]
            if copy.all_platforms:
                arguments.append("--all")
            for side, reference, access in (
                ("src", copy.source, copy.source_access),
                ("dest", copy.target, copy.target_access),
            ):
                arguments += _login_and_tls(side, reference, access, files, descriptors)
            arguments += [f"docker://{copy.source}", f"docker://{copy.target}"]
            async with self.gate.process():
                ended = await process.run(
                    arguments,
                    environment=_environment(),
                    pass_fds=descriptors,
                    stalled_after=self.stalled_after,
                    meter=copy.meter,
                )
            return ended, os.pread(digest, 256, 0).decode().strip() if digest is not None else ""

    async def _directly(self, copy: Copy, error: RelayError) -> CopyResult:
        """Copy what skopeo cannot, byte for byte. Where that fails for good, its error counts; else skopeo's."""
        try:
            copied = await DirectRelay(self.stalled_after).copy(copy)
        except (RelayError, RegistryError) as again:
            log.debug("nor can skopeo copy it: %s", error, extra=log_fields(target=str(copy.target)))
            if isinstance(again, RegistryError) and (again.kind == "rate-limited" or not again.temporary):
                raise
            raise error from None
        log.info("copied by the direct relay, as skopeo cannot: %s", error, extra=log_fields(target=str(copy.target)))
        return copied


@contextlib.contextmanager
def _memory_file(name: str) -> Iterator[int]:
    descriptor = os.memfd_create(name, 0)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_of_kind(error: RelayError | RegistryError) -> bool:
    """Whether a target refused a manifest for its kind: another kind of the same image may do."""
    return _KIND_REFUSED.search(str(error)) is not None


def _is_touched(error: RelayError) -> bool:
    return error.kind == "failed" and error.side == "target" and _TOUCHED.search(str(error)) is not None


def _others_may(error: RelayError) -> bool:
    """Whether the direct relay may copy what skopeo did not: skopeo signs in by the first of several challenges, and
    has words of its own for answers that it cannot read."""
    if error.kind == "unauthorized" or _BEYOND_SKOPEO.search(str(error)):
        return True
    return error.kind == "failed" and not _PASSING.search(str(error))


def _login_and_tls(
    side: str, reference: Reference, access: Access, files: contextlib.ExitStack, descriptors: list[int]
) -> list[str]:
    arguments = []
    if access.skip_tls_verify:
        arguments.append(f"--{side}-tls-verify=false")
    if access.certificates is not None:
        arguments.append(f"--{side}-cert-dir={access.certificates}")
    if access.credentials is None:
        # Without it skopeo would use whatever login it finds on this machine.
        arguments.append(f"--{side}-no-creds")
    else:
        descriptor = files.enter_context(auth_file(reference.registry, access.credentials))
        descriptors.append(descriptor)
        arguments.append(f"--{side}-authfile=/proc/self/fd/{descriptor}")
    return arguments


def _missing(binary: str, error: BaseException) -> str:
    if isinstance(error, OSError) and may_start_later(error):
        return (
            f"the relay program '{binary}' cannot be started just now: {error.strerror}; this machine or container may "
            "have too few processes, too little memory or too few open files for so many slots"
        )
    reason = "was not found" if isinstance(error, FileNotFoundError) else f"cannot be started ({error})"
    return f"the relay program '{binary}' {reason}; install skopeo, or set skopeo.binary to its path"


def _environment() -> dict[str, str]:
    """The worker's environment, without what only concerns the worker."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DREGSY_", "CELERY_"))}
