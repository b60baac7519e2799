"""JSON as Go's library reads it, which is what registries are tried with: the case of names does not matter."""

from __future__ import annotations

from typing import Any


def member(document: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    """The value under `name`, or under a name that is the same but for its case; None for none.

    Source: Go's encoding/json, "Unmarshal": an exact match is preferred.
    """
    if name in document:
        return document[name]
    return next((value for key, value in document.items() if key.lower() == name.lower()), None)
