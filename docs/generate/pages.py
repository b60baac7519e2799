"""Which pages are made, and from what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from docs.generate import commands, config_keys

REFERENCE = Path(__file__).parent.parent / "reference"

PAGES: dict[str, Callable[[], str]] = {"cli.md": commands.page, "config-keys.md": config_keys.page}
