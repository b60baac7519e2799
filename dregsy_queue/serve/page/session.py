"""Who may give orders? Those who know the token: they enter it once in a form, and have a cookie from then on."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping

#: Seconds for which a browser is remembered.
LIFE = 12 * 3600


class Session:
    """`token` empty: nobody may."""

    COOKIE = "dregsy"

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    @property
    def possible(self) -> bool:
        return bool(self._token)

    def is_token(self, given: str) -> bool:
        return self.possible and hmac.compare_digest(given.encode(errors="replace"), self._token)

    def cookie(self) -> str:
        """What a browser that knows the token shows from now on; it does not hold the token."""
        ends = str(int(time.time()) + LIFE)
        return f"{ends}.{self._sign(ends)}"

    def allowed(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        """By a cookie that was given here, or by ``Authorization: Bearer TOKEN``."""
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        ends, _, sign = cookies.get(self.COOKIE, "").partition(".")
        good = self.possible and ends.isdigit() and hmac.compare_digest(sign.encode(), self._sign(ends).encode())
        return good and int(ends) > time.time()

    def _sign(self, ends: str) -> str:
        return hmac.new(self._token, f"dregsy page {ends}".encode(), hashlib.sha256).hexdigest()


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a form came from this very page: another site's must not give orders (Fetch standard, ``Origin``)."""
    origin = headers.get("Origin")
    return origin is None or origin.partition("://")[2] == headers.get("Host")
