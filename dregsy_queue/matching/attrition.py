"""How many tags are left after each filter of a mapping?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dregsy_queue.matching.tags import TagItem, TagSet


@dataclass(frozen=True)
class FilterStep:
    """What one filter leaves. Items that select each count alone; ``keep:`` counts what is left of all before."""

    filter: str
    left: int


@dataclass(frozen=True)
class Attrition:
    #: tags in the repository; None when they were not listed, as all wanted ones are named
    listed: int | None
    steps: tuple[FilterStep, ...]
    selected: tuple[TagItem, ...]

    def __str__(self) -> str:
        parts = [] if self.listed is None else [f"{self.listed} tag{'' if self.listed == 1 else 's'}"]
        return ", ".join([*parts, *(f"{step.filter} → {step.left}" for step in self.steps)]) or "no tags"


def attrition(items: Sequence[str], tags: Sequence[str]) -> Attrition:
    """Follow `tags` of a repository through the items of a mapping. Raises: ValueError, as `TagSet.parse`."""
    whole = TagSet.parse(items)
    texts = list(dict.fromkeys(item.strip() for item in items))
    keeps = [text for text in texts if text.startswith("keep:")]
    selecting = [text for text in texts if text.startswith(("semver:", "regex:"))]
    named = [text for text in texts if text not in keeps and text not in selecting]

    def left(*chosen: str) -> int:
        return len(TagSet.parse(chosen).select(tags))

    steps = [FilterStep(text, left(text)) for text in selecting]
    if named:
        steps.append(FilterStep(_named(named), len(set(whole.verbatim))))
    if len(steps) > 1:
        steps.append(FilterStep("together", left(*selecting, *named)))
    # Of several "keep: latest" the last one counts, behind all expressions.
    expressions = [text for text in keeps if TagSet.parse([text]).keep]
    for number, text in enumerate(expressions, 1):
        steps.append(FilterStep(text, left(*selecting, *named, *expressions[:number])))
    if whole.latest:
        steps.append(FilterStep(f"keep: latest {whole.latest}", len(whole.select(tags))))
    return Attrition(len(tags) if whole.needs_listing else None, tuple(steps), tuple(whole.select(tags)))


def _named(named: Sequence[str]) -> str:
    return named[0] if len(named) == 1 else f"{len(named)} named"
