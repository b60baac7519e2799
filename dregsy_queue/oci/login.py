"""Credentials as the config's `auth` key holds them."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Credentials:
    """A user name and its password, which never shows; or an OAuth 2 refresh token in the password's place."""

    username: str
    password: str = field(repr=False)
    #: what ``docker login`` keeps as ``identitytoken``; '' for a login by password
    identity_token: str = field(default="", repr=False)


def decode_auth(text: str) -> Credentials:
    """Decode base64 of ``{"username": …, "password": …}`` or of ``user:password``.

    JSON keys are matched whatever their case, as Go does. Raises: ValueError, which never holds any of the text.
    """
    try:
        raw = base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(
            '\'auth\' is not valid base64; encode {"username": "…", "password": "…"}, or write \'none\''
        ) from None
    try:
        decoded = raw.decode()
    except UnicodeDecodeError:
        raise ValueError("'auth' decodes to something that is not UTF-8 text") from None
    try:
        value = json.loads(decoded)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        given = {key.lower(): item for key, item in value.items() if item is not None}
        if "password" not in given:
            raise ValueError('\'auth\' holds no password; encode {"username": "…", "password": "…"}, or write \'none\'')
        username, password = given.get("username", ""), given["password"]
        if not isinstance(username, str) or not isinstance(password, str):
            raise ValueError("'auth' holds a user name or password that is not text")
        return Credentials(username, password)
    username, colon, password = decoded.rstrip("\n").partition(":")
    if not colon:
        raise ValueError('\'auth\' decodes to neither {"username": "…", "password": "…"} nor user:password')
    return Credentials(username, password)
