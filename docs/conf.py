"""The site's settings for Sphinx. `make docs` builds it strictly: a warning is an error."""

from __future__ import annotations

from dregsy_queue import __version__

project = "dregsy_queue"
author = "the authors of dregsy_queue"
project_copyright = author
release = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["generate"]

#: Headings get the anchors that code forges give them, so that links work there and here alike.
myst_heading_anchors = 4
#: Names of files outside the site (config/dregsy.yaml) become downloads; a name of nothing is an error.
nitpicky = True
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"dregsy_queue {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
#: The site works without a network: system fonts, no scripts of other hosts.
html_theme_options: dict[str, list[str]] = {"top_of_page_buttons": []}
html_copy_source = False
html_show_sphinx = False
