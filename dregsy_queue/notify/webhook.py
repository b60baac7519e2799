"""Where do letters go? A URL that is a secret by itself, so it comes from the environment and never gets into Redis."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import requests

import dregsy_queue
from dregsy_queue import redact
from dregsy_queue.errors import DregsyError
from dregsy_queue.ledger.staleness import AFTER
from dregsy_queue.settings import SettingsError, stale_after, value_or_file

#: Seconds that a receiver has to connect, and to answer.
TIMEOUT = (5, 15)

Format = Literal["json", "slack"]


class DeliveryError(DregsyError):
    """The receiver did not take it; trying again may help."""

    temporary = True


@dataclass(frozen=True)
class Webhook:
    url: str = field(repr=False)
    #: what bodies are signed with; empty: they are not
    secret: str = field(default="", repr=False)
    format: Format = "json"
    stale_after: float = AFTER

    def send(self, delivery: str, event: Mapping[str, Any]) -> None:
        """POST it. Raises: DeliveryError, whose text names the receiver's host and never the URL."""
        body = json.dumps(event if self.format == "json" else {"text": event["text"]}, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"dregsy_queue/{dregsy_queue.__version__}",
            "X-Dregsy-Event": str(event["event"]),
            "X-Dregsy-Delivery": delivery,
        }
        if self.secret:
            headers["X-Dregsy-Signature"] = f"sha256={signature(self.secret, body)}"
        host = urlsplit(self.url).hostname
        try:
            answer = requests.post(self.url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            raise DeliveryError(f"the webhook's receiver {host} does not answer ({type(error).__name__})") from None
        if not 200 <= answer.status_code < 300:
            raise DeliveryError(f"the webhook's receiver {host} answers with HTTP {answer.status_code}")


def signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) of the body as it is sent, in hex digits."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def from_environment(environment: Mapping[str, str] = os.environ) -> Webhook | None:
    """The webhook, when one is set. Raises: SettingsError."""
    url = value_or_file("DREGSY_WEBHOOK_URL", environment)
    if not url:
        return None
    if not _is_url(url):
        raise SettingsError("DREGSY_WEBHOOK_URL is not a URL; write https://…")
    secret = value_or_file("DREGSY_WEBHOOK_SECRET", environment)
    form = environment.get("DREGSY_WEBHOOK_FORMAT") or "json"
    if form not in ("json", "slack"):
        raise SettingsError(f"DREGSY_WEBHOOK_FORMAT is '{form}'; it must be 'json' or 'slack'")
    redact.hide(url)
    redact.hide(secret)
    return Webhook(url, secret, "slack" if form == "slack" else "json", stale_after(environment))


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
