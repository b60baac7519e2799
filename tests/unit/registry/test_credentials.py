"""Which source of credentials a location has, and what a host tells about that."""

from __future__ import annotations

import base64
from typing import Any

import google.auth
import pytest
from google.auth.exceptions import GoogleAuthError

from dregsy_queue.access.identity import choose_source, ecr_api, ecr_source
from dregsy_queue.config.models import Location
from dregsy_queue.oci.hosts import is_google
from dregsy_queue.registry.credentials.docker_config import DockerConfigSource
from dregsy_queue.registry.credentials.ecr import EcrSource
from dregsy_queue.registry.credentials.google import GoogleSource
from dregsy_queue.registry.credentials.source import CredentialsSource, Static
from dregsy_queue.registry.errors import RegistryError

BOB = base64.b64encode(b'{"username": "bob", "password": "x"}').decode()
EMPTY = base64.b64encode(b'{"username": "", "password": ""}').decode()
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
CHINA = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"
PUBLIC = "123456789012:us-east-1@public.ecr.aws"


def chosen(registry: str, keys: dict[str, Any]) -> CredentialsSource:
    return choose_source(Location.model_validate({"registry": registry, **keys}))


@pytest.mark.parametrize(
    ("registry", "keys", "expected"),
    [
        ("a.example", {}, DockerConfigSource),
        ("a.example", {"auth": BOB}, Static),
        ("a.example", {"auth": "none"}, Static),
        ("a.example", {"auth": EMPTY}, DockerConfigSource),
        # ECR: an identity of AWS only where it is asked for, and then whatever `auth` says
        (ECR, {}, DockerConfigSource),
        (ECR, {"auth": BOB}, Static),
        (ECR, {"auth-refresh": "10h"}, EcrSource),
        (ECR, {"auth-refresh": "10h", "auth": BOB}, EcrSource),
        (ECR, {"auth-refresh": "10h", "auth": "none"}, Static),
        (ECR, {"aws-profile": "other"}, EcrSource),
        (CHINA, {"auth-refresh": "10h"}, EcrSource),
        (PUBLIC, {"auth-refresh": "10h"}, EcrSource),
        ("public.ecr.aws", {}, DockerConfigSource),
        ("public.ecr.aws", {"auth-refresh": "10h"}, EcrSource),
        # Google: always, unless `auth` says something
        ("gcr.io", {}, GoogleSource),
        ("eu.gcr.io", {"auth": EMPTY}, GoogleSource),
        ("us-docker.pkg.dev", {}, GoogleSource),
        ("us-docker.pkg.dev", {"auth": BOB}, Static),
        ("gcr.io", {"auth": "none"}, Static),
    ],
)
def test_who_signs_in(registry: str, keys: dict[str, Any], expected: type[CredentialsSource]) -> None:
    source = chosen(registry, keys)
    assert type(source) is expected
    if isinstance(source, Static):
        assert bool(source.value) is (keys.get("auth") != "none")
    if isinstance(source, EcrSource):
        assert source.refresh == (36000 if "auth-refresh" in keys else 21600)


@pytest.mark.parametrize(
    ("registry", "keys", "signs_in", "api"),
    [
        (ECR, {}, False, True),
        (ECR, {"auth": BOB}, False, True),
        (ECR, {"auth-refresh": "10h"}, True, True),
        (ECR, {"auth": "none"}, False, False),
        ("a.example", {}, False, False),
    ],
)
def test_aws_lists_and_creates_whoever_signs_in(registry: str, keys: dict[str, Any], signs_in: bool, api: bool) -> None:
    place = Location.model_validate({"registry": registry, **keys})
    assert (ecr_source(place) is not None, ecr_api(place) is not None) == (signs_in, api)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("gcr.io", True), ("eu.gcr.io", True), ("us-docker.pkg.dev", True), ("gcr.io:443", False), ("xgcr.io", False)]
    + [("docker.pkg.dev", False), ("us-python.pkg.dev", False), ("gcr.io.example.com", False)],
)
def test_google_hosts(host: str, expected: bool) -> None:
    assert is_google(host) is expected


@pytest.mark.parametrize(
    ("kind", "words", "reason"),
    [
        (GoogleAuthError, [], "GoogleAuthError"),
        (GoogleAuthError, ["no metadata\nserver"], "no metadata"),
        (OSError, [], "OSError"),
    ],
)
async def test_google_says_why_there_is_no_token(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception], words: list[str], reason: str
) -> None:
    def refuse(**_: object) -> None:
        raise kind(*words)

    monkeypatch.setattr(google.auth, "default", refuse)
    with pytest.raises(RegistryError, match=f"^gcr.io: Google: no token: {reason}; give 'auth'") as caught:
        await GoogleSource("gcr.io").credentials()
    assert caught.value.kind == "auth"
