"""Digests: ``algorithm:encoded``, the name of a content by its hash."""

from __future__ import annotations

import hashlib
import re

#: OCI image-spec, "Digests": the grammar, whatever the algorithm.
_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
#: The same section, "Registered algorithms".
_REGISTERED = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")


class Digest(str):
    """A valid digest of any algorithm. It is a `str`, so JSON, Redis and command lines take it as it is."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Raises: ValueError."""
        if not is_digest(text):
            raise ValueError(f"'{text}' is not a digest")
        return cls(text)

    @classmethod
    def of(cls, content: bytes) -> Digest:
        """The SHA-256 digest of `content`."""
        return cls("sha256:" + hashlib.sha256(content).hexdigest())

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        """What stands behind the algorithm: hex digits, with the registered ones."""
        return self.partition(":")[2]

    @property
    def as_tag(self) -> str:
        """A tag for what has none, where a tag there must be: for a Docker daemon that pushes."""
        return f"dregsy-{self.encoded}"[:128]

    def names(self, content: bytes) -> bool:
        """Whether this is the digest of `content`. Raises: ValueError for an algorithm that is not registered."""
        if not is_registered(self):
            raise ValueError(f"'{self}' is of an algorithm that cannot be verified")
        return hashlib.new(self.algorithm, content).hexdigest() == self.encoded


def is_digest(text: str) -> bool:
    """True for a valid digest of any algorithm."""
    return _DIGEST.fullmatch(text) is not None


def is_registered(text: str) -> bool:
    """True for a digest that everybody can verify: SHA-256 or SHA-512, of the right length."""
    return _REGISTERED.fullmatch(text) is not None
