"""How does a plan look, to people and to programs?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from dregsy_queue.planning.preview import Preview, Row, TaskPreview
from dregsy_queue.planning.pulls import Estimate
from dregsy_queue.redact import scrub
from dregsy_queue.terminal import clean, size, span, table

_COLUMNS = ("missing", "changed", "drifted", "differs", "up to date", "not selected", "failed")
_STYLES = {"missing": "green", "changed": "yellow", "drifted": "yellow", "differs": "yellow", "failed": "red"}


def word(row: Row) -> str:
    """The reason as people read it. Without a record of an earlier sync nobody knows which side changed."""
    if row.error:
        return "failed"
    if row.reason == "changed" and not row.recorded:
        return "differs"
    return row.reason.replace("-", " ")


def as_list(rows: Sequence[Row], *, sizes: bool) -> list[dict[str, Any]]:
    """`recorded` tells whether "changed" is known: by a record of an earlier sync."""
    found = []
    for row in rows:
        entry: dict[str, Any] = {
            "task": row.task,
            "source": row.source,
            "target": row.target,
            "platform": row.platform,
            "action": row.action,
            "reason": row.reason,
            "recorded": row.recorded,
            "digest": row.digest,
        }
        if row.error:
            entry["error"] = scrub(row.error)
        if sizes and row.action == "copy":
            entry["size"] = row.size
        found.append(entry)
    return found


def show(console: Console, preview: Preview, *, sizes: bool) -> None:
    """Every image but those that are up to date; then counts by task, and what quotas make of it."""
    for task in preview.tasks:
        _show_task(console, task, sizes)
    used = [name for name in _COLUMNS if name in ("missing", "up to date", "failed")]
    counts = {task.task.name: Counter(map(word, task.rows)) for task in preview.tasks}
    used = [name for name in _COLUMNS if name in used or any(count[name] for count in counts.values())]
    rows: list[Sequence[str | Text]] = []
    for task in preview.tasks:
        count = counts[task.task.name]
        cells = [Text(str(count[name]), _STYLES.get(name, "") if count[name] else "") for name in used]
        rows.append((task.task.name, *cells, *([_total(task.rows)] if sizes else [])))
    console.print(table(("task", *used, *(["bytes"] if sizes else [])), rows))
    for found in preview.estimates:
        text = _quota(found)
        if text:
            console.print(Text(text))


def _show_task(console: Console, preview: TaskPreview, sizes: bool) -> None:
    task = preview.task
    console.print(Text.assemble((f"{clean(task.name)}: {task.source.host} → {task.target.host}", "bold")))
    for selection in preview.selections:
        console.print(Text(f"  {selection.source} → {selection.target}: {selection.counts}"))
    for row in preview.rows:
        reason = word(row)
        if reason == "up to date":
            continue
        name = row.source.removeprefix(f"{task.source.host}/") or row.target.removeprefix(f"{task.target.host}/")
        line = Text.assemble("  ", (f"{reason:<12}", _STYLES.get(reason, "")), f" {name}")
        if sizes and row.action == "copy":
            line.append(f"  {_bytes(row.size)}")
        if row.error:
            line.append(f": {scrub(row.error)}")
        console.print(line, soft_wrap=True)
    console.print()


def _total(rows: Sequence[Row]) -> str:
    """At most: a target may have some of the layers already."""
    copies = [row for row in rows if row.action == "copy"]
    text = _bytes(sum(row.size or 0 for row in copies))
    return f"over {text}" if any(row.size is None for row in copies) else text


def _bytes(number: int | None) -> str:
    return "unknown size" if number is None else size(number)


def _quota(found: Estimate) -> str:
    """One line; empty when nothing holds a sync up."""
    if found.quota is None and not found.seconds:
        return ""
    parts = [f"{found.registry}: {found.pulls} pull{'s' if found.pulls != 1 else ''} to do"]
    if found.quota is not None:
        window = f" per {span(found.quota.window)}" if found.quota.window else ""
        parts.append(f"{found.quota.left} of {found.quota.limit}{window} left")
    if found.seconds is None:
        verdict = "never fits: 'reserve' is the whole quota"
    else:
        verdict = f"takes about {span(found.seconds)}" if found.seconds else "fits"
    return f"{', '.join(parts)}: {verdict}"
