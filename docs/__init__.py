"""The documentation: pages in Markdown, the site's settings, and what is made from the code."""
