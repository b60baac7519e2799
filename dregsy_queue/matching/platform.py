"""Platforms: which manifest of a multi-platform image is meant."""

from __future__ import annotations

import platform as python_platform
from collections.abc import Sequence
from dataclasses import dataclass

_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "i386": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}
#: Variants that run on hardware of a variant, best first (as containers/image has it).
_COMPATIBLE = {
    "arm": ["v8", "v7", "v6", "v5"],
    "arm64": ["v8"],
}


@dataclass(frozen=True)
class Platform:
    """Go's names: ``linux``, ``amd64``, ``v8``; an empty variant means any."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """``os/arch`` or ``os/arch/variant``. Raises: ValueError."""
        parts = text.strip().split("/")
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise ValueError(f"'{text}' is not a platform; write 'all', or os/arch[/variant] as 'linux/arm64'")
        return cls(*parts)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True)
class IndexEntry:
    """One manifest of an index; `size` in bytes."""

    digest: str
    media_type: str
    size: int
    platform: Platform | None


def host_platform() -> Platform:
    """The platform of this machine; always Linux, as images are."""
    machine = python_platform.machine().lower()
    architecture, variant = _ARCHITECTURES.get(machine, (machine, ""))
    return Platform("linux", architecture, variant)


def choose(entries: Sequence[IndexEntry], wanted: Platform) -> IndexEntry | None:
    """The manifest that skopeo copies for `wanted`: the best compatible variant, and of equals the first."""
    for variant in _variants(wanted):
        for entry in entries:
            found = entry.platform
            if (
                found is not None
                and (found.os, found.architecture) == (wanted.os, wanted.architecture)
                and found.variant == variant
            ):
                return entry
    return None


def _variants(wanted: Platform) -> list[str]:
    known = _COMPATIBLE.get(wanted.architecture)
    if known is None:
        return [wanted.variant, ""] if wanted.variant else [""]
    if not wanted.variant:
        # Nothing said: what names no variant, then every variant, best first.
        return ["", *known]
    if wanted.variant not in known:
        return [wanted.variant]
    return [*known[known.index(wanted.variant) :], ""]
