"""What can go wrong with a registry."""

from __future__ import annotations

from typing import Literal

from dregsy_queue.errors import DregsyError

Kind = Literal["auth", "denied", "not-found", "rate-limited", "unavailable", "invalid", "tls"]


class RegistryError(DregsyError):
    """A request to a registry failed; the text is one line for people, without secrets.

    `temporary`: trying again later may help. `retry_after`: seconds the registry asked to wait, if it did.
    """

    def __init__(
        self, message: str, *, kind: Kind, temporary: bool, registry: str, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.temporary = temporary
        self.registry = registry
        self.retry_after = retry_after
