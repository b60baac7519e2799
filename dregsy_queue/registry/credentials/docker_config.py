"""Logins that the user of this machine already has: of Docker, Podman and skopeo, with credential helpers.

Source: containers-auth.json(5); docker-credential-helpers' protocol.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dregsy_queue.oci.hosts import registry_key
from dregsy_queue.oci.login import Credentials, decode_auth
from dregsy_queue.registry.credentials.cached import Fetched, KeptSource
from dregsy_queue.registry.errors import RegistryError

#: How long a login from a file or a helper is used, in seconds: after that it is read again.
LIFE = 300.0
_HUB_KEYS = ("docker.io", "https://index.docker.io/v1/", "index.docker.io")


@dataclass(frozen=True)
class DockerConfigSource(KeptSource):
    """The login for `host`; anonymous where there is none."""

    host: str

    async def credentials(self) -> Credentials | None:
        found = await super().credentials()
        return found if found and found.username else None

    def fetch(self) -> Fetched:
        for path in _files():
            try:
                document = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            found = self._look_in(document) if isinstance(document, dict) else None
            if found:
                return Fetched(found, LIFE)
        return Fetched(Credentials("", ""), LIFE)

    def _look_in(self, document: dict[str, Any]) -> Credentials | None:
        helpers = document.get("credHelpers") or {}
        for key in self._keys():
            if isinstance(helpers, dict) and helpers.get(key):
                return self._ask(str(helpers[key]), key)
        auths = document.get("auths") or {}
        for key in self._keys():
            entry = auths.get(key) if isinstance(auths, dict) else None
            if isinstance(entry, dict) and entry.get("auth"):
                try:
                    return decode_auth(str(entry["auth"]))
                except ValueError:
                    continue
        store = document.get("credsStore")
        if store:
            for key in self._keys():
                found = self._ask(str(store), key)
                if found:
                    return found
        return None

    def _keys(self) -> tuple[str, ...]:
        if registry_key(self.host) == "docker.io":
            return _HUB_KEYS
        return (self.host, f"https://{self.host}", f"https://{self.host}/v2/", f"https://{self.host}/v1/")

    def _ask(self, helper: str, key: str) -> Credentials | None:
        program = f"docker-credential-{helper}"
        if "/" in helper:
            return None
        try:
            # The host goes in and the secret comes out by pipes: neither shows in a process list.
            done = subprocess.run([program, "get"], input=key, capture_output=True, text=True, timeout=30, check=False)
            document = json.loads(done.stdout) if done.returncode == 0 else {}
        except FileNotFoundError:
            raise self._error(f"the credential helper {program} was not found") from None
        except (OSError, subprocess.TimeoutExpired, ValueError):
            raise self._error(f"the credential helper {program} does not work") from None
        username, secret = document.get("Username"), document.get("Secret")
        # "<token>" as user name marks an identity token instead of a password
        return Credentials(username, secret) if username and secret and username != "<token>" else None

    def _error(self, text: str) -> RegistryError:
        return RegistryError(
            f"{self.host}: {text}; set 'auth', or 'auth: none'", kind="auth", temporary=False, registry=self.host
        )


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
