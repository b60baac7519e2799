"""Reference pages that are made from the code: `python -m docs.generate` writes docs/reference/."""
