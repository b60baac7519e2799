"""What was measured, as a table, JSON and a picture."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from bench.measure import Cost
from bench.programs import OURS
from bench.rows import ROWS

#: row → program → its costs, one per repetition
Results = Mapping[str, Mapping[str, Sequence[Cost]]]

_BAR, _GAP, _LEFT, _WIDTH = 18, 26, 150, 760


def table(results: Results) -> str:
    """Markdown. `times`: how many times as long as ours, of the medians of this run."""
    lines = []
    for row, programs in results.items():
        lines += [
            f"\n**{ROWS[row].title}**\n",
            "| program | seconds: median (min–max) | times | requests: source + target | CPU s | peak MiB |",
        ]
        lines.append("|---|---|---|---|---|---|")
        ours = programs.get(OURS)
        for name, costs in programs.items():
            seconds = [cost.seconds for cost in costs]
            middle = statistics.median(seconds)
            ratio = f"{middle / statistics.median(c.seconds for c in ours):.2f}" if ours else "–"
            asked = f"{sum(costs[-1].source.values())} + {sum(costs[-1].target.values())}"
            cpu, peak = statistics.median(c.cpu for c in costs), max(c.peak for c in costs)
            spread = f"{middle:.1f} ({min(seconds):.1f}–{max(seconds):.1f})"
            lines.append(f"| {name} | {spread} | {ratio} | {asked} | {cpu:.1f} | {peak:.0f} |")
    return "\n".join(lines)


def write_json(results: Results, path: Path) -> None:
    document = {
        row: {name: [cost.as_dict() for cost in costs] for name, costs in programs.items()}
        for row, programs in results.items()
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def write_plot(results: Results, path: Path) -> None:
    """Bars of the median seconds, each row on a scale of its own."""
    parts, y = list[str](), 10
    for row, programs in results.items():
        parts.append(f'<text x="10" y="{y + 14}" font-weight="bold">{escape(ROWS[row].title)}</text>')
        y += _GAP
        medians = {name: statistics.median(c.seconds for c in costs) for name, costs in programs.items()}
        longest = max(medians.values())
        for name, seconds in medians.items():
            width = max(2, seconds / longest * (_WIDTH - _LEFT - 80))
            colour = "#1f6feb" if name == OURS else "#b6bec8"
            parts.append(f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
            parts.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.0f}" height="{_BAR - 4}" fill="{colour}"/>')
            parts.append(f'<text x="{_LEFT + width + 6:.0f}" y="{y + 12}">{seconds:.1f} s</text>')
            y += _BAR
        y += 12
    size = f'width="{_WIDTH}" height="{y}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    path.write_text("\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n")
