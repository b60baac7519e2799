"""Logins of this machine, read as skopeo and Docker read them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from dregsy_queue.oci.login import Credentials
from dregsy_queue.registry.credentials import cached, docker_config
from dregsy_queue.registry.credentials.cached import CredentialsCache
from dregsy_queue.registry.credentials.docker_config import DockerConfigSource, Namespaces
from dregsy_queue.registry.errors import RegistryError
from tests.lab.clock import FakeClock


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(cached, "CACHE", CredentialsCache())
    monkeypatch.setattr(docker_config, "NAMESPACES", Namespaces())
    return tmp_path


BOB = {"auth": b64("bob:secret")}


@pytest.mark.parametrize(
    ("auths", "repository", "expected"),
    [
        ({"a.example": BOB}, "team/app", Credentials("bob", "secret")),
        ({"https://a.example/v1/": BOB}, "team/app", Credentials("bob", "secret")),
        ({"https://a.example/service/token": BOB}, "team/app", Credentials("bob", "secret")),
        ({"https://a.example.evil/": BOB, "https://b.example/a.example": BOB}, "team/app", None),
        ({"a.example": {"username": "eve", "password": "word"}}, "", Credentials("eve", "word")),
        ({"a.example": {"auth": b64("0000:"), "identitytoken": "RT"}}, "", Credentials("0000", "", "RT")),
        ({"a.example": {"identitytoken": "RT"}}, "", Credentials("", "", "RT")),
        ({"a.example": BOB, "a.example/team": {"auth": b64("t:x")}}, "team/app", Credentials("t", "x")),
        (
            {"a.example/team": {"auth": b64("t:x")}, "a.example/team/app": {"auth": b64("p:y")}},
            "team/app",
            Credentials("p", "y"),
        ),
        ({"a.example": BOB, "a.example/team": {"auth": b64("t:x")}}, "teams/app", Credentials("bob", "secret")),
        ({"a.example/team": {"auth": b64("t:x")}}, "other/app", None),
        ({"a.example": {}}, "team/app", None),
        ({"b.example": BOB}, "team/app", None),
    ],
)
async def test_which_login_counts(
    machine: Path, auths: dict[str, Any], repository: str, expected: Credentials | None
) -> None:
    (machine / "config.json").write_text(json.dumps({"auths": auths}))
    found = await DockerConfigSource("a.example").credentials(repository)
    assert found == expected
    if expected and expected.identity_token:
        assert found and found.identity_token == expected.identity_token


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ('echo \'{"Username": "bob", "Secret": "s3cret"}\'', Credentials("bob", "s3cret")),
        ('echo \'{"Username": "<token>", "Secret": "RT"}\'', Credentials("", "", "RT")),
        ("echo credentials not found in native keychain; exit 1", None),
        ("echo token has expired, sign in again >&2; exit 1", "token has expired, sign in again"),
        ("exit 3", "exit code 3"),
        ("echo sorry", "not a login"),
    ],
)
async def test_credential_helpers(
    machine: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: Credentials | str | None
) -> None:
    helper = machine / "docker-credential-mine"
    helper.write_text(f"#!/bin/sh\n{script}\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{machine}:/usr/bin:/bin")
    (machine / "config.json").write_text(json.dumps({"credHelpers": {"a.example": "mine"}}))
    source = DockerConfigSource("a.example")
    if isinstance(expected, str):
        with pytest.raises(RegistryError, match=expected) as caught:
            await source.credentials()
        assert caught.value.kind == "auth"
    else:
        assert await source.credentials() == expected


async def test_a_helper_that_cannot_be_run_says_why_and_whether_that_lasts(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = machine / "docker-credential-mine"
    helper.write_text("#!/bin/sh\necho '{}'\n")
    monkeypatch.setenv("PATH", str(machine))
    (machine / "config.json").write_text(json.dumps({"credHelpers": {"a.example": "mine"}}))
    with pytest.raises(RegistryError, match="cannot be run: Permission denied") as caught:
        await DockerConfigSource("a.example").credentials()
    assert not caught.value.temporary
    helper.chmod(0o755)
    with (
        helper.open("a"),
        pytest.raises(RegistryError, match="docker-credential-mine cannot be run: Text file busy") as caught,
    ):
        await DockerConfigSource("a.example").credentials()
    assert caught.value.temporary


async def test_files_are_read_again_after_a_while(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, file, source = FakeClock(), machine / "config.json", DockerConfigSource("a.example")
    monkeypatch.setattr(cached, "CACHE", CredentialsCache(clock))
    monkeypatch.setattr(docker_config, "NAMESPACES", Namespaces(clock))
    bob, eve, ann = (Credentials(name, "secret") for name in ("bob", "eve", "ann"))

    def write(**users: str) -> None:
        names = {"whole": "a.example", "team": "a.example/team"}
        entries = {names[part]: {"auth": b64(f"{user}:secret")} for part, user in users.items()}
        file.write_text(json.dumps({"auths": entries}))

    write(whole="bob")
    assert await source.credentials("team/app") == bob
    write(whole="eve", team="ann")
    assert await source.credentials("team/app") == bob, "nobody reads files for each image"
    clock.pause(docker_config._LOOK_AGAIN)
    assert await source.credentials("team/app") == ann
    assert await source.credentials("other/app") == bob
    clock.pause(docker_config.LIFE)
    assert await source.credentials("other/app") == eve
