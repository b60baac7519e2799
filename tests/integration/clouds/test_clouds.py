"""Cloud identities: ECR by a real HTTP endpoint (moto), Google by stand-ins, and the logins of this machine."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dregsy_queue.access.clients import RegistryAccess
from dregsy_queue.config.models import Config, Location
from dregsy_queue.oci.hosts import EcrRegistry, ecr_registry
from dregsy_queue.registry.credentials import cached
from dregsy_queue.registry.credentials.cached import CredentialsCache
from dregsy_queue.registry.credentials.docker_config import DockerConfigSource
from dregsy_queue.registry.credentials.ecr import EcrSource
from dregsy_queue.registry.errors import RegistryError
from dregsy_queue.registry.throttle import NoPacing
from tests.conftest import MakeProxy, MakeRegistry
from tests.lab.clock import FakeClock
from tests.lab.dregsy import BIN, auth, location, mapping, sync, task, write_config
from tests.lab.images import push_image, push_many
from tests.lab.processes import ManagedProcess, free_port, wait_until
from tests.lab.registry import Registry

ACCOUNT, REGION = "123456789012", "eu-west-1"
ECR = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an AWS that answers on loopback; the environment points to it."""
    port = free_port()
    server = ManagedProcess([str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)], tmp_path / "moto")
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(url, timeout=2).status_code < 500
        except requests.RequestException:
            return False

    wait_until(answers, timeout=40, what="moto")
    for name, value in {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "word-secret",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(tmp_path / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "aws-credentials"),
    }.items():
        monkeypatch.setenv(name, value)
    yield url
    server.kill()


def token() -> tuple[str, str]:
    """The login that this AWS gives."""
    found = boto3.client("ecr", region_name=REGION).get_authorization_token()["authorizationData"][0]
    username, _, password = base64.b64decode(found["authorizationToken"]).decode().partition(":")
    return username, password


def test_ecr_as_a_target(aws: str, tmp_path: Path, source: Registry, make_registry: MakeRegistry) -> None:
    username, password = token()
    real = make_registry(users={username: password})
    push_many(source, "lib/app", ["1", "2"])
    config = write_config(
        tmp_path,
        task(
            "t", location(source), {"registry": ECR, "auth-refresh": "10h"}, mapping("lib/app", "team/app"), interval=60
        ),
        registries={ECR: {"endpoint": real.url}},
    )
    outcome = sync(config)
    assert (outcome.code, outcome.counts("t")) == (0, (2, 0, 0)), outcome.stderr
    assert sorted(real.tags("team/app")) == ["1", "2"]
    listed = boto3.client("ecr", region_name=REGION).describe_repositories()["repositories"]
    assert [found["repositoryName"] for found in listed] == ["team/app"], "it was created, once"
    assert "repository created" in outcome.stderr and outcome.stderr.count("repository created") == 1
    assert password not in outcome.stderr + outcome.stdout + json.dumps(outcome.report)
    assert sync(config).counts("t") == (0, 2, 0)


async def test_a_repository_of_ecr_that_is_deleted_is_created_again_after_a_push_failed(aws: str) -> None:
    client = boto3.client("ecr", region_name=REGION)
    target = Location.model_validate({"registry": ECR, "auth-refresh": "10h"})
    access = RegistryAccess(Config(), NoPacing())
    for _ in range(2):
        await access.prepare_target(target, "team/app")
        # Raises where there is none.
        client.delete_repository(repositoryName="team/app")
        access.forget_target(target, "team/app")
    await access.aclose()


def test_ecr_as_a_source_of_250_repositories(
    aws: str, tmp_path: Path, target: Registry, make_registry: MakeRegistry
) -> None:
    username, password = token()
    real = make_registry(users={username: password})
    client = boto3.client("ecr", region_name=REGION)
    for number in range(250):
        client.create_repository(repositoryName=f"team/app{number:03}")
    for number in (7, 107, 207):
        push_image(real, f"team/app{number:03}", "1")
    config = write_config(
        tmp_path,
        task("t", {"registry": ECR, "auth-refresh": "1h"}, location(target), mapping("regex:team/app.07", "m")),
        registries={ECR: {"endpoint": real.url}},
        lister={"maxItems": -1},
    )
    assert sync(config).counts("t") == (3, 0, 0)
    assert target.tags("m/team/app207") == ["1"]


def test_ecr_signed_in_to_by_auth(aws: str, tmp_path: Path, target: Registry, make_registry: MakeRegistry) -> None:
    """Who signs in does not matter: repositories are listed and created by AWS' API."""
    real = make_registry(users={"AWS": "word-own"})
    client = boto3.client("ecr", region_name=REGION)
    for name in ("team/one", "team/two"):
        client.create_repository(repositoryName=name)
        push_image(real, name, "1")
    login, registries = auth("AWS", "word-own"), {ECR: {"endpoint": real.url}}
    ours = {"registry": ECR, "auth": login}
    out = write_config(
        tmp_path, task("t", ours, location(target), mapping("regex:team/.*", "x")), registries=registries
    )
    assert sync(out).counts("t") == (2, 0, 0)
    back = write_config(
        tmp_path, task("t", location(target), ours, mapping("x/team/one", "new/one")), registries=registries
    )
    outcome = sync(back)
    assert outcome.counts("t") == (1, 0, 0) and "repository created" in outcome.stderr, outcome.stderr
    names = {found["repositoryName"] for found in client.describe_repositories()["repositories"]}
    assert names == {"team/one", "team/two", "new/one"}


def test_ecr_tells_what_its_tags_name(aws: str) -> None:
    client = boto3.client("ecr", region_name=REGION)
    client.create_repository(repositoryName="team/one")
    manifest = json.dumps({"schemaVersion": 2, "layers": [{"digest": "sha256:" + "1" * 64}]})
    kind = "application/vnd.oci.image.manifest.v1+json"
    for tag in ("v1", "v2"):
        client.put_image(
            repositoryName="team/one", imageManifest=manifest, imageTag=tag, imageManifestMediaType=kind
        )  # fmt: skip
    registry = ecr_registry(ECR)
    assert registry
    source = EcrSource(registry, 60)
    (image,) = source.images("team/one")
    known = client.describe_images(repositoryName="team/one")["imageDetails"][0]
    assert (image.digest, image.media_type) == (known["imageDigest"], kind)
    assert set(image.tags) == {"v1", "v2"} and image.pushed > 0
    with pytest.raises(RegistryError) as caught:
        source.images("team/none")
    assert caught.value.kind == "not-found"


def test_ecr_signed_in_to_by_auth_without_any_aws_identity(
    tmp_path: Path, source: Registry, make_registry: MakeRegistry
) -> None:
    real = make_registry(users={"AWS": "word-own"})
    push_image(source, "lib/app", "1")
    config = write_config(
        tmp_path,
        task("t", location(source), {"registry": ECR, "auth": auth("AWS", "word-own")}, mapping("lib/app")),
        registries={ECR: {"endpoint": real.url}},
    )
    env = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/none", "AWS_SHARED_CREDENTIALS_FILE": "/none"}
    outcome = sync(config, env={**env, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    assert (outcome.code, outcome.counts("t")) == (0, (1, 0, 0)), outcome.stdout
    assert "target repositories are not created" in outcome.stderr


def test_public_ecr(tmp_path: Path, source: Registry, make_registry: MakeRegistry) -> None:
    """The alias is the first part of the path, and no part of the repository's name."""
    real = make_registry(users={"AWS": "word-token"})
    push_many(source, "lib/app", ["1", "2"])
    asked: list[tuple[str, Any]] = []

    def ecr_public(path: str, headers: dict[str, str], body: bytes) -> Any:
        action, arguments = headers["X-Amz-Target"].partition(".")[2], json.loads(body)
        asked.append((action, arguments))
        if action == "GetAuthorizationToken":
            token = base64.b64encode(b"AWS:word-token").decode()
            return {"authorizationData": {"authorizationToken": token, "expiresAt": time.time() + 43200}}, {}
        if action == "DescribeRepositories":
            return {"__type": "RepositoryNotFoundException", "message": "none"}, {}, 400
        return {"repository": {}}, {}

    stand = Stand(ecr_public)
    config = write_config(
        tmp_path,
        task(
            "t",
            location(source),
            {"registry": f"{ACCOUNT}:us-east-1@public.ecr.aws", "auth-refresh": "10h"},
            mapping("lib/app", "alias/team/app"),
        ),
        registries={"public.ecr.aws": {"endpoint": real.url}},
    )
    env = {"AWS_ENDPOINT_URL": f"http://{stand.host}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    outcome = sync(config, env=env)
    stand.stop()
    assert (outcome.code, outcome.counts("t")) == (0, (2, 0, 0)), outcome.stdout + outcome.stderr
    assert sorted(real.tags("alias/team/app")) == ["1", "2"]
    created = [arguments for action, arguments in asked if action == "CreateRepository"]
    assert created == [{"repositoryName": "team/app"}]
    assert [a for a, _ in asked].count("GetAuthorizationToken") == 1
    assert outcome.jobs("t")[0]["target"].startswith("public.ecr.aws/alias/team/app:")


async def test_ecr_tokens_are_kept_and_renewed(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = ecr_registry(ECR)
    assert registry
    fetches = 0
    fetch = EcrSource.fetch

    def counting(self: EcrSource, now: float) -> Any:
        nonlocal fetches
        fetches += 1
        return fetch(self, now)

    monkeypatch.setattr(EcrSource, "fetch", counting)
    clock = FakeClock()
    clock.now = time.time()
    monkeypatch.setattr(cached, "CACHE", CredentialsCache(clock))
    first = [await EcrSource(registry, 3600).credentials() for _ in range(5)]
    assert fetches == 1 and all(found and found.username == "AWS" for found in first)
    # The tokens of this AWS have ended long ago, and are used for a minute.
    clock.pause(53)
    assert await EcrSource(registry, 3600).credentials() and fetches == 1
    clock.pause(2)
    assert await EcrSource(registry, 3600).credentials() and fetches == 2, "a tenth of the minute is left"


async def test_a_role_is_assumed_and_a_profile_used(aws: str, tmp_path: Path) -> None:
    (tmp_path / "aws-credentials").write_text("[other]\naws_access_key_id = a\naws_secret_access_key = b\n")
    registry = ecr_registry(ECR)
    assert registry
    role = EcrSource(registry, 3600, profile="other", role=f"arn:aws:iam::{ACCOUNT}:role/sync")
    assert await role.credentials()
    with pytest.raises(RegistryError, match="no token") as caught:
        await EcrSource(registry, 3600, profile="absent").credentials()
    assert "absent" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        (ECR, EcrRegistry(ECR, ACCOUNT, REGION, public=False)),
        (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", ("cn-north-1", False)),
        ("public.ecr.aws", ("us-east-1", True)),
        (f"{ACCOUNT}:us-west-2@public.ecr.aws", ("us-west-2", True)),
        (f"{ACCOUNT}@public.ecr.aws", ("us-east-1", True)),
        ("ecr.example.com", None),
        (f"{ECR}:443", None),
        (f"{ACCOUNT}.dkr.ecr.us-gov-west-1.amazonaws.com", ("us-gov-west-1", False)),
        (f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com.de", None),
        (f"x.{ECR}", None),
    ],
)
def test_ecr_hosts(registry: str, expected: Any) -> None:
    found = ecr_registry(registry)
    if isinstance(expected, tuple):
        assert found and (found.region, found.public) == expected
    else:
        assert found == expected


class Stand:
    """A loopback HTTP server that answers from a function: with a document, headers, and a status if not 200."""

    def __init__(self, answer: Any) -> None:
        class Handler(BaseHTTPRequestHandler):
            def _reply(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                document, headers, *status = answer(self.path, dict(self.headers), self.rfile.read(length))
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(*status or [200])
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = _reply

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def google_config(folder: Path, real: Registry, target: Registry) -> Path:
    return write_config(
        folder,
        task("t", {"registry": "eu.gcr.io"}, location(target), mapping("project/app")),
        registries={"eu.gcr.io": {"endpoint": real.url}},
    )


def test_google_by_the_metadata_server(tmp_path: Path, target: Registry, make_registry: MakeRegistry) -> None:
    real = make_registry(users={"oauth2accesstoken": "word-token"})
    digest = push_image(real, "project/app", "1")

    def metadata(path: str, headers: dict[str, str], body: bytes) -> Any:
        assert {name.lower(): value for name, value in headers.items()}["metadata-flavor"] == "Google"
        flavor = {"Metadata-Flavor": "Google", "Content-Type": "application/json"}
        if path.split("?")[0].endswith("/token"):
            return {"access_token": "word-token", "expires_in": 3600, "token_type": "Bearer"}, flavor
        if "service-accounts" in path:
            return {"email": "robot@example.com", "scopes": ["x"], "aliases": ["default"]}, flavor
        return b"project-id", {"Metadata-Flavor": "Google", "Content-Type": "text/plain"}

    stand = Stand(metadata)
    env = {"GCE_METADATA_HOST": stand.host, "GCE_METADATA_IP": stand.host, "HOME": str(tmp_path), "NO_GCE_CHECK": ""}
    env["GOOGLE_APPLICATION_CREDENTIALS"] = ""
    outcome = sync(google_config(tmp_path, real, target), env=env)
    stand.stop()
    assert (outcome.code, outcome.counts("t")) == (0, (1, 0, 0)), outcome.stderr
    assert target.digest("project/app", "1") == digest
    assert "word-token" not in outcome.stderr + outcome.stdout + json.dumps(outcome.report)


def test_google_by_a_service_account(tmp_path: Path, target: Registry, make_registry: MakeRegistry) -> None:
    real = make_registry(users={"oauth2accesstoken": "word-token"})
    push_image(real, "project/app", "1")
    asked: list[bytes] = []

    def issue(path: str, headers: dict[str, str], body: bytes) -> Any:
        asked.append(body)
        return {"access_token": "word-token", "expires_in": 3600}, {"Content-Type": "application/json"}

    stand = Stand(issue)
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "account.json"
    account = {"type": "service_account", "client_email": "robot@example.com", "private_key": key.decode()}
    file.write_text(json.dumps({**account, "token_uri": f"http://{stand.host}/token", "project_id": "project"}))
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(file), "HOME": str(tmp_path)}
    # the file wins over a metadata server, which is not even asked here
    env |= {"GCE_METADATA_HOST": "127.0.0.1:9", "GCE_METADATA_IP": "127.0.0.1:9"}
    outcome = sync(google_config(tmp_path, real, target), env=env)
    stand.stop()
    assert (outcome.code, outcome.counts("t")) == (0, (1, 0, 0)), outcome.stderr
    assert len(asked) == 1 and b"jwt-bearer" in asked[0]


def test_google_by_a_token_in_auth(tmp_path: Path, source: Registry, target: Registry, make_proxy: MakeProxy) -> None:
    """`auth` is used as it is, although the environment has another identity; the catalog is listed with it too."""
    push_image(source, "project/app", "1")
    hub = make_proxy(source, users={"oauth2accesstoken": "word-token"}, anonymous=False)
    config = write_config(
        tmp_path,
        task(
            "t",
            {"registry": "eu.gcr.io", "auth": auth("oauth2accesstoken", "word-token")},
            location(target),
            mapping("regex:project/.*"),
        ),
        registries={"eu.gcr.io": {"endpoint": f"http://{hub.host}"}},
    )
    outcome = sync(config, env={"GOOGLE_APPLICATION_CREDENTIALS": "/no/such/file"})
    assert (outcome.code, outcome.counts("t")) == (0, (1, 0, 0)), outcome.stdout
    tokens = [entry.path for entry in hub.log if entry.path.startswith("/token")]
    assert any("scope=registry%3Acatalog%3A%2A" in path for path in tokens), tokens


def test_google_without_a_login(tmp_path: Path, target: Registry, make_registry: MakeRegistry) -> None:
    real = make_registry()
    push_image(real, "project/app", "1")
    config = google_config(tmp_path, real, target)
    env = {"GOOGLE_APPLICATION_CREDENTIALS": "/no/such/file"}
    outcome = sync(config, env=env)
    assert outcome.code == 1 and "give 'auth', or 'auth: none'" in outcome.jobs("t")[0]["error"]
    config.write_text(config.read_text().replace("registry: eu.gcr.io", "registry: eu.gcr.io\n    auth: none"))
    outcome = sync(config, env=env)
    assert (outcome.code, outcome.counts("t")) == (0, (1, 0, 0)), outcome.stdout


def test_logins_of_this_machine(tmp_path: Path, target: Registry, make_registry: MakeRegistry) -> None:
    one, two = make_registry(users={"bob": "secret-word"}), make_registry(users={"eve": "other-word"})
    for registry in (one, two):
        push_image(registry, "lib/app", "1")
    folder = tmp_path / "docker"
    folder.mkdir()
    login = base64.b64encode(b"bob:secret-word").decode()
    (folder / "config.json").write_text(
        json.dumps({"auths": {one.host: {"auth": login}}, "credHelpers": {two.host: "lab"}})
    )
    helper = tmp_path / "docker-credential-lab"
    helper.write_text('#!/bin/sh\nread host\necho "{\\"Username\\": \\"eve\\", \\"Secret\\": \\"other-word\\"}"\n')
    helper.chmod(0o755)
    env = {"DOCKER_CONFIG": str(folder), "HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    config = write_config(
        tmp_path,
        task("one", location(one), location(target), mapping("lib/app", "one")),
        task("two", location(two), location(target), mapping("lib/app", "two")),
        task("none", location(one, auth="none"), location(target), mapping("lib/app", "none")),
        task("own", location(two, auth=auth("eve", "wrong-word")), location(target), mapping("lib/app", "own")),
    )
    outcome = sync(config, env=env)
    assert outcome.counts("one") == outcome.counts("two") == (1, 0, 0), outcome.stderr
    assert outcome.counts("none") == outcome.counts("own") == (0, 0, 1), "what the config says wins"
    assert "word" not in outcome.stdout.replace("password", "")


async def test_a_credential_helper_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {"a.example": "no-such"}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RegistryError, match="docker-credential-no-such was not found"):
        await DockerConfigSource("a.example").credentials()
