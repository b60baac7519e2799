"""Which manifest of an index is chosen. What skopeo 1.9.3 chooses of the same indexes, unless told otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dregsy_queue.oci.digest import Digest
from dregsy_queue.oci.platform import IndexEntry, Platform, choose, host_platform


def entry(name: str, number: int = 0) -> IndexEntry:
    """``-`` is an entry without platform."""
    return IndexEntry(Digest(f"{name}#{number}"), "m", None if name == "-" else Platform.parse(name))


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        ("linux/amd64", "linux/arm64 linux/amd64", "linux/amd64"),
        ("linux/amd64", "windows/amd64", None),
        ("linux/amd64", "linux/amd64/v3 linux/amd64/v2", None),
        ("linux/amd64", "linux/amd64/v1", None),
        ("linux/amd64/v1", "linux/amd64", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64 linux/amd64/v3", "linux/amd64/v3"),
        ("linux/amd64/v4", "linux/amd64/v3 linux/amd64/v2", None),
        ("linux/arm64", "linux/arm64/v8", "linux/arm64/v8"),
        ("linux/arm64", "linux/arm64/v8 linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64 linux/arm64/v8", "linux/arm64/v8"),
        ("linux/arm64/v9", "linux/arm64/v8", None),
        ("linux/arm64/v9", "linux/arm64", "linux/arm64"),
        ("linux/arm", "linux/arm/v5 linux/arm/v6 linux/arm/v7 linux/arm/v8", "linux/arm/v8"),
        ("linux/arm", "linux/arm/v5 linux/arm/v6", "linux/arm/v6"),
        ("linux/arm", "linux/arm/v5 linux/arm", "linux/arm"),
        ("linux/arm/v8", "linux/arm/v5 linux/arm/v6 linux/arm/v7 linux/arm/v8", "linux/arm/v8"),
        ("linux/arm/v7", "linux/arm/v5 linux/arm/v6 linux/arm/v7 linux/arm/v8", "linux/arm/v7"),
        ("linux/arm/v7", "linux/arm/v5 linux/arm/v6", "linux/arm/v6"),
        ("linux/arm/v7", "linux/arm linux/arm/v5", "linux/arm/v5"),
        ("linux/arm/v6", "linux/arm/v7 linux/arm/v8", None),
        ("linux/arm/v9", "linux/arm/v5 linux/arm", "linux/arm"),
        ("linux/arm", "linux/arm64/v8 linux/arm64", None),
        ("linux/riscv64", "linux/amd64 linux/arm64", None),
        ("linux/amd64", "unknown/unknown linux/amd64", "linux/amd64"),
        ("linux/amd64", "unknown/unknown", None),
        ("unknown/unknown", "linux/amd64 unknown/unknown", "unknown/unknown"),
        ("linux/amd64", "- -", "-"),
        ("linux/amd64", "- linux/amd64", "linux/amd64"),
        ("linux/amd64", "linux/s390x -", "-"),
        ("linux/amd64", "", None),
    ],
)
def test_choice(wanted: str, there: str, expected: str | None) -> None:
    chosen = choose([entry(name) for name in there.split()], Platform.parse(wanted))
    assert (chosen.digest if chosen else None) == (f"{expected}#0" if expected else None)


def test_of_equals_the_first_is_chosen() -> None:
    chosen = choose([entry("linux/amd64", 1), entry("linux/amd64", 2)], Platform("linux", "amd64"))
    assert chosen == entry("linux/amd64", 1)


platforms = st.builds(
    Platform,
    st.sampled_from(["linux", "windows", "unknown"]),
    st.sampled_from(["amd64", "arm", "arm64", "unknown"]),
    st.sampled_from(["", "v2", "v5", "v6", "v7", "v8", "v9"]),
)


@given(st.lists(platforms, max_size=8), platforms)
def test_never_another_os_or_architecture_nor_more_than_the_machine_has(
    there: list[Platform], wanted: Platform
) -> None:
    entries = [IndexEntry(Digest(str(number)), "m", platform) for number, platform in enumerate(there)]
    chosen = choose(entries, wanted)
    if wanted in there:
        assert chosen is entries[there.index(wanted)]
    if chosen is not None:
        assert chosen in entries
        assert chosen.platform is not None
        assert (chosen.platform.os, chosen.platform.architecture) == (wanted.os, wanted.architecture)
        assert not wanted.variant or chosen.platform.variant <= wanted.variant


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm/v7", "windows/amd64"])
def test_text_and_back(text: str) -> None:
    assert str(Platform.parse(f" {text} ")) == text


@pytest.mark.parametrize("text", ["", "all", "linux", "linux/", "/amd64", "linux//v7", "a/b/", "a/b/c/d"])
def test_no_platform(text: str) -> None:
    with pytest.raises(ValueError, match="is not a platform"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("x86_64", "linux/amd64"), ("aarch64", "linux/arm64/v8"), ("armv7l", "linux/arm/v7"), ("s390x", "linux/s390x")],
)
def test_host_platform(machine: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert str(host_platform()) == expected
