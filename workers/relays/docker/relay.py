"""The Docker relay: pull, tag and push by a daemon; exactly the job's tag, whatever else the daemon holds."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, StreamParseError

from dregsy_queue.concurrency import Threads, in_threads
from dregsy_queue.config.models import Config, DockerSettings
from dregsy_queue.settings import Settings
from workers.relays.failures import error_of
from workers.relays.relay import Access, Copy, CopyResult, RelayError, Side

#: Copies at once at most; a worker has fewer slots.
_COPIES = 64
#: Lines of progress kept for the log.
_KEPT_LINES = 40
#: What the library raises when the daemon does not answer, or when its answer breaks off; some of it comes from the
#: libraries under it.
_NO_ANSWER = (DockerException, StreamParseError, requests.RequestException, urllib3.exceptions.HTTPError, OSError)


def make(config: Config, settings: Settings) -> DockerRelay:
    return DockerRelay(config.docker_settings, settings.stalled)


class _Client(docker.APIClient):
    """With a bound on silence for each request: docker-py 7 lets a pull wait for ever."""

    def _set_request_timeout(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        return {**kwargs, "timeout": kwargs.get("timeout") or self.timeout}


class DockerRelay:
    """One daemon, used by all slots of a worker at once."""

    kind = "docker"

    def __init__(self, settings: DockerSettings, silence: float = 600) -> None:
        """`silence`: seconds without a word from the daemon after which a pull or push is given up."""
        self._settings, self._silence = settings, silence
        self._lock = threading.Lock()
        # Threads of its own: a slow daemon delays only its own copies.
        self._threads = Threads(_COPIES, "docker")
        # Whether the daemon works must be found out while copies run.
        self._pings = Threads(1, "docker-ping")
        #: references in the daemon that copies under way need
        self._in_use: Counter[str] = Counter()

    async def problem(self) -> str | None:
        try:
            await in_threads(self._pings, self._ping)
        except _NO_ANSWER as error:
            return self._unreachable(error)
        return None

    async def copy(self, copy: Copy) -> CopyResult:
        cancelled = threading.Event()
        work = asyncio.create_task(in_threads(self._threads, lambda: self._copy(copy, cancelled)))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # The daemon stops a pull or push when its client hangs up, which it does at the next line of progress.
            cancelled.set()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(work, 5)
            raise

    def _ping(self) -> None:
        client = self._client(timeout=10)
        try:
            client.ping()
        finally:
            client.close()

    def _client(self, timeout: float) -> docker.APIClient:
        version = self._settings.api_version or "auto"
        return _Client(base_url=self._settings.dockerhost, version=version, timeout=math.ceil(timeout))

    def _unreachable(self, error: BaseException) -> str:
        return f"the Docker daemon at {self._settings.dockerhost} does not answer ({_why(error)})"

    def _copy(self, copy: Copy, cancelled: threading.Event) -> CopyResult:
        source, target = str(copy.source), str(copy.target)
        try:
            client = self._client(self._silence)
        except _NO_ANSWER as error:
            raise RelayError(self._unreachable(error), "away") from None
        lines: list[str] = []
        used = (source, target)
        with self._lock:
            self._in_use.update(used)
        try:
            with _typed("source", copy, self._settings.dockerhost):
                login = _login(copy.source_access)
                pulled = client.pull(
                    copy.source.name,
                    tag=copy.source.short,
                    stream=True,
                    decode=True,
                    auth_config=login,
                )
                _follow(pulled, lines, cancelled)
            with _typed("target", copy, self._settings.dockerhost):
                if not client.tag(source, copy.target.name, copy.target.short, force=True):
                    raise RelayError(f"docker: {copy.source} cannot be tagged as {copy.target}")
                login = _login(copy.target_access)
                pushed = client.push(
                    copy.target.name,
                    tag=copy.target.short,
                    stream=True,
                    decode=True,
                    auth_config=login,
                )
                found, sent = _follow(pushed, lines, cancelled)
        finally:
            with self._lock:
                self._in_use.subtract(used)
                if not self._settings.keep_images:
                    self._forget(client, used)
            client.close()
        if not found:
            raise RelayError("docker: the daemon did not say what it pushed")
        return CopyResult("\n".join(lines), found, sent)

    def _forget(self, client: docker.APIClient, references: Iterable[str]) -> None:
        """Drop references that no copy needs; an image goes with its last one."""
        for reference in references:
            if self._in_use[reference] <= 0:
                del self._in_use[reference]
                with contextlib.suppress(*_NO_ANSWER):
                    client.remove_image(reference)


def _login(access: Access) -> dict[str, str]:
    """An empty one keeps the library from using a login that it finds on this machine."""
    login = access.credentials
    if login is None:
        return {}
    if login.identity_token:
        # As Docker's API has it, "AuthConfig".
        return {"username": login.username, "identitytoken": login.identity_token}
    return {"username": login.username, "password": login.password}


def _follow(progress: Iterable[dict[str, Any]], lines: list[str], cancelled: threading.Event) -> tuple[str, int]:
    """Read a stream of progress to its end; returns the digest that a push reports, and the bytes that it sent.

    The daemon counts a layer's bytes before it compresses them, and says nothing of manifests and configs.
    """
    digest, sent = "", Counter[str]()
    for entry in progress:
        if cancelled.is_set():
            raise RelayError("docker: cancelled")
        if "error" in entry:
            raise APIError(str((entry.get("errorDetail") or {}).get("message") or entry["error"]))
        digest = str((entry.get("aux") or {}).get("Digest") or digest)
        if entry.get("status") == "Pushing":
            layer, moved = str(entry.get("id")), int((entry.get("progressDetail") or {}).get("current") or 0)
            sent[layer] = max(sent[layer], moved)
        if entry.get("status") and not entry.get("progressDetail"):
            lines.append(" ".join(str(entry[key]) for key in ("id", "status") if entry.get(key)))
            del lines[:-_KEPT_LINES]
    return digest, sent.total()


#: Short reasons, by the words of the system in the long texts of libraries.
_REASONS = {
    "No such file or directory": "there is no such socket",
    "Permission denied": "this user may not use its socket",
    "Connection refused": "connection refused",
    "Name or service not known": "its name is not known",
    "timed out": "it does not answer in time",
}


def _why(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return next((reason for words, reason in _REASONS.items() if words in text), text[:200])


@contextlib.contextmanager
def _typed(side: Side, copy: Copy, daemon: str) -> Iterator[None]:
    try:
        yield
    except APIError as error:
        text = str(error.explanation or error)
        raise error_of("docker", text, names=(copy.source, copy.target), side=side) from None
    except _NO_ANSWER as error:
        reason = " ".join(str(error).split())[:200]
        raise RelayError(f"docker: the daemon at {daemon} ended the connection ({reason})") from None
