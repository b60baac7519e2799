"""When does a password end that is a token?"""

from __future__ import annotations

import base64
import binascii
import json


def ends_at(password: str) -> float | None:
    """Seconds since 1970, as the token itself says; None where it does not.

    JWTs (RFC 7519 §4.1.4, ``exp``), and ECR's passwords, which are base64 of JSON with an ``expiration``.
    """
    parts = password.split(".")
    for text, name in ((parts[1], "exp") if len(parts) == 3 else ("", ""), (password, "expiration")):
        try:
            document = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            return float(document[name])
        except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
            continue
    return None
