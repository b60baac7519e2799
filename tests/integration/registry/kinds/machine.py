"""Logins of this machine, as Docker, Podman and skopeo leave them behind."""

from __future__ import annotations

import base64

from tests.lab.odd.case import Case, Login
from tests.lab.odd.exchange import Quirk
from tests.lab.odd.quirks import LOGIN, Tokens, basic

_BOB = ":".join(LOGIN)
_HELPER = f'''echo '{{"ServerURL": "x", "Username": "{LOGIN[0]}", "Secret": "{LOGIN[1]}"}}\''''


def cases() -> list[Case]:
    return [
        *(
            _by(name, _entry(key))
            for name, key in (
                ("the host", "{}"),
                ("an address", "https://{}"),
                ("an address of Docker's first API", "https://{}/v1/"),
                ("an address of its second", "https://{}/v2/"),
                ("an address by HTTP", "http://{}"),
                ("an address with a path of its own", "https://{}/service/token"),
                ("a namespace (containers/image#981)", "{}/lib"),
                ("a repository", "{}/lib/app"),
            )
        ),
        _by(
            "a repository before its host",
            lambda host: {"auths": {host: {"auth": _auth("eve:x")}, f"{host}/lib/app": {"auth": _auth()}}},
        ),
        _by("name and password", lambda host: {"auths": {host: {"username": LOGIN[0], "password": LOGIN[1]}}}),
        _by("base 64 with a line break", lambda host: {"auths": {host: {"auth": _auth() + "\n"}}}),
        _by("base 64 with zeros", lambda host: {"auths": {host: {"auth": _auth(_BOB + "\0\0")}}}),
        _by("entries of others, some empty", lambda host: {"auths": {"x": {}, host: {"auth": _auth()}, "y": None}}),
        _by(
            "an identity token (skopeo#1534)",
            lambda host: {"auths": {host: {"auth": _auth("0-0-0:"), "identitytoken": "refresh"}}},
            Tokens(identity="refresh").both,
        ),
        _by("a helper", lambda host: {"credHelpers": {host: "lab"}}, helper=_HELPER),
        _by("a helper before an entry", _both, helper=_HELPER),
        _by(
            "a helper with an identity token",
            lambda host: {"credHelpers": {host: "lab"}},
            Tokens(identity="refresh").both,
            helper=_HELPER.replace(LOGIN[0], "<token>").replace(LOGIN[1], "refresh"),
        ),
        _by(
            "a helper that has none, for who is public",
            lambda host: {"credHelpers": {host: "lab"}},
            Tokens(user=None, anonymous=True).both,
            helper="echo 'credentials not found in native keychain'; exit 1",
        ),
        _by(
            "a helper that fails",
            lambda host: {"credHelpers": {host: "lab"}},
            helper="echo 'the vault is sealed'; exit 1",
            words=("the vault is sealed",),
        ),
        _by("a helper that is not there", lambda host: {"credHelpers": {host: "nobody-has-it"}}, words=("not found",)),
        _by(
            "a helper that says something else",
            lambda host: {"credHelpers": {host: "lab"}},
            helper="echo Welcome",
            words=("not a login",),
        ),
    ]


def _by(name: str, login: Login, guard: Quirk | None = None, *, helper: str = "", words: tuple[str, ...] = ()) -> Case:
    return Case(
        f"a login by {name}",
        source=[guard or basic()],
        machine=login,
        helper=helper,
        wants="failed" if words else "copied",
        words=words,
    )


def _entry(key: str) -> Login:
    return lambda host: {"auths": {key.format(host): {"auth": _auth()}}}


def _both(host: str) -> dict[str, dict[str, object]]:
    return {"credHelpers": {host: "lab"}, "auths": {host: {"auth": _auth("eve:x")}}}


def _auth(login: str = _BOB) -> str:
    return base64.b64encode(login.encode()).decode()
