"""How is a secret kept out of texts?"""

from __future__ import annotations

_hidden: set[str] = set()


def hide(secret: str) -> None:
    """Never let `secret` stand in a log line, whoever writes it. Secrets under 4 characters are not hidden."""
    if len(secret) >= 4:
        _hidden.add(secret)


def scrub(text: str) -> str:
    """`text` with every hidden secret replaced."""
    for secret in sorted(_hidden, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
