"""A real registry (distribution), alone in a temporary folder."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import requests
import yaml

from tests.lab.certificates import Certificate
from tests.lab.processes import ManagedProcess, free_port, tool, wait_until

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_ACCESS = re.compile(r'^127\.0\.0\.1 - (\S+) \[[^]]*\] "(\w+) (\S+) [^"]*" (\d+) \d+ "[^"]*" "([^"]*)"', re.MULTILINE)


@dataclass(frozen=True)
class LoggedRequest:
    method: str
    path: str
    status: int
    agent: str


class Registry:
    """`users`: basic authentication with these passwords. `tls`: speaks HTTPS. `client_ca`: wants certificates.
    `program`: another one than Debian's."""

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        tls: Certificate | None = None,
        client_ca: Path | None = None,
        client: Certificate | None = None,
        program: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self._program = program
        self._process: ManagedProcess | None = None
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["User-Agent"] = "lab"
        http: dict[str, Any] = {"addr": self.host, "relativeurls": True}
        if tls:
            http["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
            self.session.verify = str(tls.ca)
            if client_ca:
                http["tls"]["clientcas"] = [str(client_ca)]
            if client:
                self.session.cert = (str(client.certificate), str(client.key))
        config: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
            "http": http,
        }
        if users:
            lines = [f"{name}:{_hash(password)}" for name, password in users.items()]
            (folder / "htpasswd").write_text("\n".join(lines) + "\n")
            config["auth"] = {"htpasswd": {"realm": "lab", "path": str(folder / "htpasswd")}}
            self.session.auth = next(iter(users.items()))
        (folder / "config.yml").write_text(yaml.safe_dump(config))

    def start(self) -> Registry:
        self._process = ManagedProcess(
            [str(self._program or tool("docker-registry")), "serve", str(self.folder / "config.yml")],
            self.folder / "log",
        )
        wait_until(self._answers, what=f"registry {self.host}")
        return self

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process = None
        self.session.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def _answers(self) -> bool:
        assert self._process is not None
        if not self._process.alive:
            raise RuntimeError(f"the registry ended: {self._process.output()[-500:]}")
        try:
            return self.session.get(f"{self.url}/v2/", timeout=2).status_code in (200, 401)
        except requests.RequestException:
            return False

    def manifest(self, repository: str, reference: str) -> requests.Response:
        return self.session.get(f"{self.url}/v2/{repository}/manifests/{reference}", headers={"Accept": ACCEPT})

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest that a tag names now; None when there is none."""
        answer = self.session.head(f"{self.url}/v2/{repository}/manifests/{reference}", headers={"Accept": ACCEPT})
        return answer.headers["Docker-Content-Digest"] if answer.status_code == 200 else None

    def tags(self, repository: str) -> list[str]:
        tags: list[str] = []
        url = f"{self.url}/v2/{repository}/tags/list?n=1000"
        while url:
            answer = self.session.get(url)
            if answer.status_code != 200:
                break
            tags += answer.json()["tags"] or []
            following = answer.links.get("next")
            url = f"{self.url}{following['url']}" if following else ""
        return tags

    def delete(self, repository: str, tag: str) -> None:
        """Delete what `tag` names, with all tags that name the same."""
        digest = self.digest(repository, tag)
        assert self.session.delete(f"{self.url}/v2/{repository}/manifests/{digest}").status_code == 202

    def requests(self, *, lab: bool = False) -> list[LoggedRequest]:
        """What others (or, too, the lab itself) have asked so far, by the registry's own log."""
        time.sleep(0.05)
        text = (self.folder / "log").read_text(errors="replace")
        found = [LoggedRequest(m[2], m[3], int(m[4]), m[5]) for m in _ACCESS.finditer(text)]
        return [request for request in found if lab or request.agent != "lab"]


def _hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
