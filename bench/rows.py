"""The work that is compared: which images, how far away, and whether the target has them already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.content import big_blob, push_layers
from tests.lab.images import push_image, push_many
from tests.lab.registry import Registry

MIB = 2**20
#: Round trips to both registries, in seconds, of the rows that are far away.
FAR = 0.05


@dataclass(frozen=True)
class Row:
    title: str
    repositories: tuple[str, ...]
    fill: Callable[[Registry], None]
    far: bool = False
    #: the target has all images when the clock starts
    nothing_new: bool = False
    #: of ours, which knows what it synced before then; "": not used
    drift_check: str = ""


def _small(number: int) -> Callable[[Registry], None]:
    def fill(registry: Registry) -> None:
        push_many(registry, "lib/app", [f"{tag}" for tag in range(number)])

    return fill


def _shared(registry: Registry) -> None:
    """Ten images of a repository have four layers in common with all other repositories, and one of their own."""
    common = [bytes([layer]) * 50_000 for layer in range(4)]
    for repository in range(20):
        for tag in range(10):
            push_layers(registry, f"lib/app{repository}", str(tag), *common, f"{repository}:{tag}".encode() * 100)


def _large(registry: Registry) -> None:
    for tag in range(8):
        push_layers(registry, "lib/app", str(tag), big_blob(200 * MIB + tag)[0])


def _many(registry: Registry) -> None:
    for repository in range(100):
        for tag in range(3):
            push_image(registry, f"lib/app{repository}", str(tag), size=200)


_ONE = ("lib/app",)
ROWS = {
    "small": Row("300 small images, first time", _ONE, _small(300)),
    "shared": Row(
        "20 repositories x 10 images, shared layers, first time", tuple(f"lib/app{n}" for n in range(20)), _shared
    ),
    "large": Row("8 images of 200 MiB, first time", _ONE, _large),
    "far": Row("100 images 50 ms away, first time", _ONE, _small(100), far=True),
    "same": Row("1,000 tags, nothing new", _ONE, _small(1000), nothing_new=True),
    "same-drift": Row(
        "1,000 tags, nothing new, and ours within its drift-check",
        _ONE,
        _small(1000),
        nothing_new=True,
        drift_check="24h",
    ),
    "same-far": Row("100 tags 50 ms away, nothing new", _ONE, _small(100), far=True, nothing_new=True),
    "repositories-far": Row(
        "100 repositories x 3 tags 50 ms away, nothing new",
        tuple(f"lib/app{n}" for n in range(100)),
        _many,
        far=True,
        nothing_new=True,
    ),
}
