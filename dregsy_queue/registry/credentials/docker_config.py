"""Logins that the user of this machine already has: of Docker, Podman and skopeo, with credential helpers.

Source: containers-auth.json(5); docker-credential-helpers' protocol.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dregsy_queue.child_process import may_start_later
from dregsy_queue.clock import SYSTEM, Clock
from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.oci.login import Credentials, decode_auth
from dregsy_queue.registry.credentials.cached import CachedSource, Fetched
from dregsy_queue.registry.errors import RegistryError

#: How long a login from a file or a helper is used, in seconds: after that it is read again.
LIFE = 300.0
#: Seconds after which the files are looked at again for entries of namespaces.
_LOOK_AGAIN = 5.0
#: How helpers say that they have no login (docker-credential-helpers, credentials/error.go).
_NO_LOGIN = ("credentials not found", "no credentials server url", "no credentials username")
#: How keys begin that ``docker login`` made of an address; all programs go by the host in it.
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_HUB_KEYS = ("docker.io", "https://index.docker.io/v1/", "index.docker.io")


@dataclass(frozen=True)
class DockerConfigSource(CachedSource):
    """The login for `host`; anonymous where there is none.

    `namespace`: the key of an entry for a part of the registry, as ``quay.io/team``; '' for the registry as a whole.
    """

    host: str
    namespace: str = ""

    async def credentials(self, repository: str = "") -> Credentials | None:
        if repository and not self.namespace and (namespace := NAMESPACES.of(self.host, repository)):
            return await replace(self, namespace=namespace).credentials()
        found = await super().credentials()
        return found if found and (found.username or found.identity_token) else None

    def fetch(self, _: float) -> Fetched:
        for document in _documents():
            found = self._look_in(document)
            if found:
                return Fetched(found, LIFE)
        return Fetched(Credentials("", ""), LIFE)

    def _look_in(self, document: dict[str, Any]) -> Credentials | None:
        helpers = document.get("credHelpers")
        for key in self._keys():
            if isinstance(helpers, dict) and helpers.get(key):
                return self._ask(str(helpers[key]), key)
        auths = document.get("auths")
        for entry in self._entries(auths) if isinstance(auths, dict) else ():
            found = _login(entry) if isinstance(entry, dict) else None
            if found:
                return found
        store = document.get("credsStore")
        for key in self._keys() if store and not self.namespace else ():
            found = self._ask(str(store), key)
            if found:
                return found
        return None

    def _entries(self, auths: dict[str, Any]) -> Iterator[object]:
        """What ``auths`` has for the host: under the usual keys first, then under any other address of it."""
        yield from (auths.get(key) for key in self._keys())
        if not self.namespace:
            yield from (entry for key, entry in auths.items() if _ADDRESS.match(key) and self._is_of(key))

    def _is_of(self, address: str) -> bool:
        host = _ADDRESS.sub("", address).partition("/")[0]
        return registry_key(host) == registry_key(self.host)

    def _keys(self) -> tuple[str, ...]:
        if self.namespace:
            return (self.namespace,)
        if registry_key(self.host) == "docker.io":
            return _HUB_KEYS
        host = self.host
        return (
            host,
            f"https://{host}",
            f"http://{host}",
            f"https://{host}/",
            f"https://{host}/v2/",
            f"https://{host}/v1/",
        )

    def _ask(self, helper: str, key: str) -> Credentials | None:
        """The login that a credential helper has; None when it says that it has none. Raises: RegistryError."""
        program = f"docker-credential-{helper}"
        if "/" in helper or "\0" in helper:
            raise self._error(f"'{helper[:60]}' is not the name of a credential helper")
        try:
            # The host goes in and the secret comes out by pipes: neither shows in a process list.
            done = subprocess.run(
                [program, "get"],
                input=key,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=30,
                check=False,
            )
        except FileNotFoundError:
            raise self._error(f"the credential helper {program} was not found") from None
        except subprocess.TimeoutExpired:
            raise self._error(f"the credential helper {program} gave no answer within 30 s") from None
        except OSError as error:
            why = f"the credential helper {program} cannot be run: {error.strerror or error}"
            raise self._error(why, temporary=may_start_later(error)) from None
        if done.returncode != 0:
            words = " ".join(f"{done.stdout} {done.stderr}".split())
            if any(none in words.lower() for none in _NO_LOGIN):
                return None
            words = "".join(char for char in words if char.isprintable())[:200]
            raise self._error(f"the credential helper {program} fails: {words or f'exit code {done.returncode}'}")
        try:
            document = json.loads(done.stdout)
            username, secret = str(document.get("Username") or ""), str(document.get("Secret") or "")
        except (ValueError, AttributeError):
            raise self._error(f"the credential helper {program} gave an answer that is not a login") from None
        # "<token>" as user name marks an identity token instead of a password
        if username == "<token>":
            return Credentials("", "", secret) if secret else None
        return Credentials(username, secret) if username and secret else None

    def _error(self, text: str, *, temporary: bool = False) -> RegistryError:
        return RegistryError(
            f"{self.host}: {text}; set 'auth', or 'auth: none'", kind="auth", temporary=temporary, registry=self.host
        )


def _login(entry: dict[str, Any]) -> Credentials | None:
    """The login of one entry of ``auths``; None where it has none (Docker leaves empty ones beside a store)."""
    token = entry.get("identitytoken")
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth"):
        try:
            decoded = decode_auth(str(entry["auth"]))
        except ValueError:
            return None
        # Docker once filled passwords up with zeros; all programs cut them off.
        username, password = decoded.username, decoded.password.strip("\0")
    if isinstance(token, str) and token:
        return Credentials(username, "", token)
    return Credentials(username, password) if username else None


def _documents() -> list[dict[str, Any]]:
    """The files that are there and can be read, in order."""
    found = []
    for path in _files():
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(document, dict):
            found.append(document)
    return found


class Namespaces:
    """Entries for parts of a registry, remembered for a few seconds: each image of a plan asks for them.

    Source: containers-auth.json(5), "auths": keys may be ``host[/namespace[/user[/repo]]]``.
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        #: by host: the keys of its entries, and until when they are believed, on the monotonic clock
        self._known: dict[str, tuple[set[str], float]] = {}

    def of(self, host: str, repository: str) -> str:
        """The most specific entry for `repository` that is not the registry's own, as ``host/team``; '' for none."""
        keys, until = self._known.get(host, (set[str](), 0.0))
        if self._clock.monotonic() >= until:
            keys = {
                key
                for document in _documents()
                for section in ("auths", "credHelpers")
                if isinstance(document.get(section), dict)
                for key in document[section]
                if key.startswith(f"{host}/")
            }
            self._known[host] = keys, self._clock.monotonic() + _LOOK_AGAIN
        parts = repository.split("/")
        names = (f"{host}/{'/'.join(parts[:end])}" for end in range(len(parts), 0, -1))
        return next((name for name in names if name in keys), "")


#: Of this process.
NAMESPACES = Namespaces()


def _files() -> list[Path]:
    """Where logins may be, in the order in which skopeo looks."""
    environment, home = os.environ, Path(os.environ.get("HOME") or "/")
    found = []
    if environment.get("REGISTRY_AUTH_FILE"):
        found.append(Path(environment["REGISTRY_AUTH_FILE"]))
    if environment.get("XDG_RUNTIME_DIR"):
        found.append(Path(environment["XDG_RUNTIME_DIR"]) / "containers" / "auth.json")
    found.append(Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json")
    found.append(Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json")
    return found
