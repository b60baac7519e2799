"""What registries tell of many tags at once: Docker Hub's own API, AWS' and Google's, answered from a real registry."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
GOOGLE = "europe-docker.pkg.dev"


class ManyAtOnce:
    """A hook for `HubProxy`. `digests`: what it tells of the tags of `repository`; tests change it."""

    def __init__(self, repository: str, digests: dict[str, str], *, google: bool = False) -> None:
        self.repository, self.digests, self._is_google = repository, digests, google
        self.cache_prefixes: list[str] = []
        #: Docker Hub's API shows the repository to this user alone
        self.private_to: dict[str, str] = {}
        self.status = 200

    async def __call__(self, request: web.Request) -> web.StreamResponse | None:
        if target := request.headers.get("X-Amz-Target"):
            return self._aws(target.rpartition(".")[2], await request.json())
        if request.path == "/v2/users/login/":
            login = await request.json()
            good = login == self.private_to
            return web.json_response({"token": "t"} if good else {}, status=200 if good else 401)
        if request.path.startswith("/v2/namespaces/"):
            return self._hub(request)
        if self._is_google and request.path == f"/v2/{self.repository}/tags/list":
            return self._google()
        return None

    def _hub(self, request: web.Request) -> web.Response:
        namespace, _, name = self.repository.partition("/")
        known = request.path == f"/v2/namespaces/{namespace}/repositories/{name}/tags"
        if not known or (self.private_to and request.headers.get("Authorization") != "JWT t"):
            return web.json_response({"message": "object not found"}, status=404)
        page, size = int(request.query.get("page", 1)), int(request.query["page_size"])
        assert size <= 100
        there = list(self.digests.items())[(page - 1) * size : page * size]
        following = f"http://{request.host}{request.path}?page={page + 1}&page_size={size}"
        results: list[Any] = [
            {"name": tag, "digest": digest, "images": [{"digest": f"sha256:{'0' * 64}", "os": "linux"}]}
            for tag, digest in there
        ]
        more = page * size < len(self.digests)
        return web.json_response({"results": results, "next": following if more else None}, status=self.status)

    def _google(self) -> web.Response:
        manifests: dict[str, dict[str, Any]] = {}
        for number, (tag, digest) in enumerate(self.digests.items()):
            found = manifests.setdefault(digest, {"mediaType": "", "tag": [], "timeUploadedMs": str(10_000 - number)})
            found["tag"].append(tag)
        tags = sorted(self.digests)
        return web.json_response({"child": [], "manifest": manifests, "name": self.repository, "tags": tags})

    def _aws(self, what: str, asked: dict[str, Any]) -> web.Response:
        answer: dict[str, Any]
        if what == "DescribePullThroughCacheRules":
            answer = {"pullThroughCacheRules": [{"ecrRepositoryPrefix": prefix} for prefix in self.cache_prefixes]}
        elif what == "DescribeImages" and asked["repositoryName"] == self.repository:
            assert asked["maxResults"] <= 1000 and asked["filter"] == {"tagStatus": "TAGGED"}
            start = int(asked.get("nextToken", 0))
            there = list(self.digests.items())[start : start + asked["maxResults"]]
            answer = {"imageDetails": [{"imageDigest": digest, "imageTags": [tag]} for tag, digest in there]}
            if start + len(there) < len(self.digests):
                answer["nextToken"] = str(start + len(there))
        else:
            return _aws_json({"__type": "RepositoryNotFoundException", "message": "no such repository"}, 400)
        return _aws_json(answer, self.status)


def _aws_json(answer: dict[str, Any], status: int) -> web.Response:
    return web.Response(body=json.dumps(answer).encode(), status=status, content_type="application/x-amz-json-1.1")
