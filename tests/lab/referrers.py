"""Referrers: manifests that refer to another one, and a registry that lists them by the API (distribution has none)."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import requests
from aiohttp import web

from dregsy_queue.oci.digest import Digest
from tests.lab import images
from tests.lab.content import ANY
from tests.lab.images import OCI
from tests.lab.loop_thread import ThreadedServer
from tests.lab.registry import Registry

_COPIED = ("Content-Type", "Docker-Content-Digest", "Location", "Content-Length", "Range")


def push_referrer(registry: Any, repository: str, subject: str, kind: str) -> dict[str, Any]:
    """Push an artifact that refers to `subject`, by its digest alone; returns its descriptor."""
    answer = registry.session.head(f"{registry.url}/v2/{repository}/manifests/{subject}", headers={"Accept": ANY})
    answer.raise_for_status()
    layer = images.push_blob(registry, repository, f"{kind} of {subject}".encode(), "application/vnd.example.data.v1")
    config = images.push_blob(registry, repository, b"{}", "application/vnd.oci.empty.v1+json")
    refers_to = {
        "mediaType": answer.headers["Content-Type"],
        "digest": subject,
        "size": int(answer.headers["Content-Length"]),
    }
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI["manifest"],
            "artifactType": kind,
            "config": config,
            "layers": [layer],
            "subject": refers_to,
        }
    ).encode()
    digest = Digest.of(body)
    images.put_manifest(registry, repository, digest, body, OCI["manifest"])
    return {"mediaType": OCI["manifest"], "digest": digest, "size": len(body), "artifactType": kind}


def list_by_tag(registry: Any, repository: str, subject: str, *descriptors: dict[str, Any]) -> None:
    """What a client does where the registry has no API (distribution-spec, "Referrers Tag Schema")."""
    index = {"schemaVersion": 2, "mediaType": OCI["index"], "manifests": list(descriptors)}
    tag = subject.replace(":", "-")
    images.put_manifest(registry, repository, tag, json.dumps(index).encode(), OCI["index"])


def listed_by_tag(registry: Registry, repository: str, subject: str) -> set[str]:
    url = f"{registry.url}/v2/{repository}/manifests/{subject.replace(':', '-')}"
    answer = registry.session.get(url, headers={"Accept": OCI["index"]})
    answer.raise_for_status()
    return {entry["digest"] for entry in answer.json()["manifests"]}


class ReferrersApi(ThreadedServer):
    """In front of a registry: answers `GET …/referrers/…` one entry a page, and hands everything else on."""

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self._registry = registry
        self._entries: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.session = requests.Session()
        self.session.trust_env = False
        self.start()

    def listed(self, repository: str, subject: str) -> set[str]:
        return {entry["digest"] for entry in self._entries.get((repository, subject), [])}

    async def _start(self) -> None:
        self._client = aiohttp.ClientSession(auto_decompress=False)
        application = web.Application(client_max_size=2**26)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        self.url = f"http://{self.host}"

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._client.close()

    async def _handle(self, request: web.Request) -> web.Response:
        if "/referrers/" in request.path:
            return self._list(request)
        body = await request.read()
        headers = {
            name: value for name, value in request.headers.items() if name in ("Content-Type", "Accept", "Range")
        }
        url = self._registry.url + request.path_qs
        async with self._client.request(request.method, url, data=body, headers=headers) as answer:
            told = {name: answer.headers[name] for name in _COPIED if name in answer.headers}
            if request.method != "HEAD":
                told.pop("Content-Length", None)
            if request.method == "PUT" and "/manifests/" in request.path and (subject := self._note(request, body)):
                told["OCI-Subject"] = subject
            return web.Response(status=answer.status, headers=told, body=await answer.read())

    def _note(self, request: web.Request, body: bytes) -> str | None:
        document = json.loads(body)
        if "subject" not in document:
            return None
        subject = str(document["subject"]["digest"])
        repository = request.path.removeprefix("/v2/").partition("/manifests/")[0]
        entry = {
            "mediaType": document["mediaType"],
            "digest": Digest.of(body),
            "size": len(body),
            "artifactType": document["artifactType"],
        }
        self._entries.setdefault((repository, subject), []).append(entry)
        return subject

    def _list(self, request: web.Request) -> web.Response:
        repository, _, subject = request.path.removeprefix("/v2/").partition("/referrers/")
        entries, start = self._entries.get((repository, subject), []), int(request.query.get("at", "0"))
        index = {"schemaVersion": 2, "mediaType": OCI["index"], "manifests": entries[start : start + 1]}
        headers = {"Link": f'<{request.path}?at={start + 1}>; rel="next"'} if start + 1 < len(entries) else {}
        return web.Response(text=json.dumps(index), content_type=OCI["index"], headers=headers)
