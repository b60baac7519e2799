"""Docker's first schema of manifests, which signs itself: its digest is that of what was signed.

Source: Docker's "Image Manifest Version 2, Schema 1", "Signed Manifests"; RFC 7515, with the payload left in place.
"""

from __future__ import annotations

import base64
import binascii
import json


def signed_content(body: bytes) -> bytes | None:
    """What the signatures of a manifest are for; None if `body` is not such a manifest."""
    if b'"signatures"' not in body:
        return None
    try:
        protected = json.loads(_decoded(json.loads(body)["signatures"][0]["protected"]))
        length, tail = protected["formatLength"], _decoded(protected["formatTail"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError, binascii.Error):
        return None
    return body[:length] + tail if isinstance(length, int) and 0 <= length <= len(body) else None


def _decoded(text: str) -> bytes:
    """Base 64 for URLs, without its padding (RFC 7515 §2)."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
