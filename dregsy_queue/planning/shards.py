"""Parts of a large task that any worker may plan: how do their images travel? Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from dregsy_queue.matching.tags import TagItem
from dregsy_queue.oci.reference import is_repository
from dregsy_queue.planning.images import Image


def to_json(images: Iterable[Image]) -> str:
    """Those of one repository stand together: ``[[source, target, platform, [item, …]], …]``. None has companions."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for image in images:
        group = (image.source_repository, image.target_repository, image.platform)
        groups.setdefault(group, []).append(str(image.item))
    return json.dumps([[*group, items] for group, items in groups.items()], separators=(",", ":"))


def from_json(text: str, *, named: bool) -> Sequence[Image]:
    """`named`: see `Image`. Raises: ValueError when it is nothing that this release could plan."""
    try:
        return [
            Image(_repository(source), _repository(target), TagItem.parse(item), str(platform), named)
            for source, target, platform, items in json.loads(text)
            for item in items
        ]
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


def _repository(name: str) -> str:
    if not is_repository(name):
        raise ValueError(f"'{name}' is not a repository name")
    return name
