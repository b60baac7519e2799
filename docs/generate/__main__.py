"""Writes the pages of docs/reference that are made from the code (`make reference`)."""

from __future__ import annotations

from docs.generate.pages import PAGES, REFERENCE

if __name__ == "__main__":
    REFERENCE.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make())
