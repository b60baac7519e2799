"""Which manifest of an index is chosen."""

from __future__ import annotations

import pytest

from dregsy_queue.matching.platform import IndexEntry, Platform, choose


def entry(name: str) -> IndexEntry:
    return IndexEntry(f"digest of {name}", "m", 1, Platform.parse(name))


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        ("linux/amd64", "linux/arm64 linux/amd64", "linux/amd64"),
        ("linux/arm64", "linux/arm64/v8", "linux/arm64/v8"),
        ("linux/arm64/v8", "linux/arm64", "linux/arm64"),
        ("linux/arm/v7", "linux/arm/v5 linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/v6", "linux/arm/v7 linux/arm/v5", "linux/arm/v5"),
        ("linux/arm/v7", "linux/arm linux/arm/v5", "linux/arm/v5"),
        ("linux/riscv64", "linux/amd64 linux/arm64", None),
        ("windows/amd64", "linux/amd64", None),
        ("linux/amd64", "unknown/unknown linux/amd64 linux/amd64", "linux/amd64"),
    ],
)
def test_choice(wanted: str, there: str, expected: str | None) -> None:
    chosen = choose([entry(name) for name in there.split()], Platform.parse(wanted))
    assert (chosen.digest if chosen else None) == (f"digest of {expected}" if expected else None)


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "a/b/c/d"])
def test_no_platform(text: str) -> None:
    with pytest.raises(ValueError, match="platform"):
        Platform.parse(text)
