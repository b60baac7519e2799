"""Platforms: which manifest of a multi-platform image is meant."""

from __future__ import annotations

import platform as python_platform
from collections.abc import Sequence
from dataclasses import dataclass

from dregsy_queue.oci.digest import Digest

#: What the kernel calls a machine → Go's architecture and variant.
_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv8l": ("arm", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "i386": ("386", ""),
    "loongarch64": ("loong64", ""),
}
#: Variants from the most to the least demanding; each machine also runs those behind its own.
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
    """One manifest of an index."""

    digest: Digest
    media_type: str
    platform: Platform | None


def host_platform() -> Platform:
    """The platform of this machine; always Linux, as images are."""
    machine = python_platform.machine().lower()
    architecture, variant = _MACHINES.get(machine, (machine, ""))
    return Platform("linux", architecture, variant)


def choose(entries: Sequence[IndexEntry], wanted: Platform) -> IndexEntry | None:
    """The manifest that skopeo copies for `wanted`: the best compatible variant, and of equals the first.

    Where none is compatible, the first entry that names no platform at all. So attestations, whose platform is
    ``unknown/unknown``, are chosen only when asked for.

    Source: containers/image, the rules of its WantedPlatforms and ChooseInstance.
    """
    for variant in _variants(wanted):
        platform = Platform(wanted.os, wanted.architecture, variant)
        for entry in entries:
            if entry.platform == platform:
                return entry
    return next((entry for entry in entries if entry.platform is None), None)


def _variants(wanted: Platform) -> list[str]:
    """Variants that can run on `wanted`, best first; the empty one stands for entries that name no variant."""
    known = _COMPATIBLE.get(wanted.architecture, [])
    if not wanted.variant:
        return ["", *known]
    if wanted.variant not in known:
        return [wanted.variant, ""]
    return [*known[known.index(wanted.variant) :], ""]
