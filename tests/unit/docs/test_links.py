"""No link leads nowhere."""

from __future__ import annotations

from urllib.parse import unquote

from tests.unit.docs.pages import PAGES, anchors, inline, name


def test_links_between_pages_lead_to_files_and_headings_that_exist() -> None:
    seen, dead = 0, []
    for page in PAGES:
        for line, token in inline(page):
            link = str(token.attrGet("href") or token.attrGet("src") or "")
            if not link or link.startswith(("http:", "https:", "mailto:")):
                continue
            seen += 1
            path, _, anchor = unquote(link).partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
                dead.append(f"{name(page)}:{line}: {link}")
    assert seen > 30
    assert dead == []


def test_no_page_has_two_headings_with_one_anchor() -> None:
    doubled = {name(page): sorted(a for a in anchors(page) if a.endswith("-1") and a[:-2] in anchors(page))
               for page in PAGES if page.name != "CHANGELOG.md"}  # fmt: skip
    assert {page: found for page, found in doubled.items() if found} == {}
