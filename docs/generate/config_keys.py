"""The reference of config keys, from the schema that the models give: a table for each level of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dregsy_queue.config.schema import schema

Node = dict[str, Any]

_TOP = """# Config keys

*Which keys may a config file have?* Made from the code that reads the file, so it is complete.
[Configuration](../configuration.md) explains them with examples.

A key that is not here is an error, but for `x-…` at the top level. A key without a value counts as left out.
"""


@dataclass(frozen=True)
class Section:
    """A mapping of the file: its place, what it is, and its keys."""

    place: str
    text: str
    properties: dict[str, Node]
    required: frozenset[str]


def page() -> str:
    """The whole page as Markdown."""
    document: Node = json.loads(schema())
    return "\n".join([_TOP, *(_table(section, document) for section in sections(document, document, ""))])


def sections(node: Node, document: Node, place: str) -> Iterator[Section]:
    """`node` and all mappings below it, each once, in the order of the models; `source` stands for `target`, too."""
    properties: dict[str, Node] = node["properties"]
    text = node.get("description", "").split("\n")[0]
    yield Section(place, text, properties, frozenset(node.get("required", ())))
    for key, value in properties.items():
        if key != "target" and (below := _below(value, document)):
            yield from sections(below[1], document, f"{place}.{key}{below[0]}".lstrip("."))


def _below(value: Node, document: Node) -> tuple[str, Node] | None:
    """The mapping that a key holds, and how its place goes on; None for a scalar."""
    for alternative in (value, *value.get("anyOf", ())):
        for node, mark in (
            (alternative, ""),
            (alternative.get("items", {}), "[]"),
            (alternative.get("additionalProperties", {}), ".HOST"),
        ):
            if isinstance(node, dict) and "$ref" in node:
                found: Node = document["$defs"][node["$ref"].rpartition("/")[2]]
                return mark, found
    return None


def _table(section: Section, document: Node) -> str:
    title = f"`{section.place}`" if section.place else "Top level"
    if section.place.endswith(".source"):
        title = f"`{section.place}` and `{section.place.removesuffix('source')}target`"
    lines = [f"## {title}", "", section.text, "", "| key | type | default | meaning |", "|---|---|---|---|"]
    for key, value in section.properties.items():
        default = "required" if key in section.required else _default(value)
        meaning = (value.get("description", "") or "see below").replace("|", "\\|").replace("*", "\\*")
        lines.append(f"| `{key}` | {_type(value, document)} | {default} | {meaning} |".replace("  ", " "))
    return "\n".join(lines) + "\n"


def _default(value: Node) -> str:
    default = value.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict):
        return ""
    if "30m" in value.get("examples", ()):
        return f"`{default / 3600:g}h`"
    return f"`{json.dumps(default)}`".replace('"', "")


def _type(value: Node, document: Node) -> str:
    if below := _below(value, document):
        return {"": "mapping", "[]": "list of mappings", ".HOST": "mapping by registry"}[below[0]]
    value = next((one for one in value.get("anyOf", ()) if one.get("type") != "null"), value)
    examples = value.get("examples", ())
    if "enum" in value:
        return ", ".join(f"`{name}`" for name in value["enum"])
    if "30m" in examples:
        return "duration: `30m`, `1h30m`"
    if "100/6h" in examples:
        return "rate: `100/6h`, `20/s`"
    named = {"boolean": "`true`, `false`", "integer": "whole number", "array": "list of texts"}
    text = named.get(str(value.get("type")), "text")
    least, most = value.get("ge", value.get("minimum")), value.get("le", value.get("maximum"))
    if least is None:
        return text
    return f"{text}, {least} to {most}" if most is not None else f"{text}, at least {least}"
